"""Greetings and names."""

import random

from inference.backends.tiny import phrasing, words
from inference.backends.tiny.dialogue import Exchange, Kind

WHO = "I am Genie, a tiny demo model."
NO_NAME = "You have not told me your name."
ABILITIES = (
    "I can greet you, remember your name, do small arithmetic, name capitals and opposites, tell what "
    "day or month comes next, repeat words, turn a sentence into JSON, call tools, count, and tell a "
    "short story."
)
_HELP = "How can I help you?"

# What a person says, and what the model answers.
_SMALLTALK: tuple[tuple[str, tuple[str, ...]], ...] = (
    (f"Hello! {_HELP}", (
        "Hello", "Hello!", "Hello.", "Hi", "Hi!", "Hi there", "Hi there!", "Hey", "Hey!", "Hey there", "Hello there", "Hello there!", "Hello Genie",
        "Hello, Genie!", "Hi Genie", "Hey Genie!", "Howdy", "Greetings", "Greetings!", "Hiya", "Hello again", "Hello world!", "Hello, world", "Hi again!", "Yo",
        "Hello, hello!", "Hey you", "Hello friend", "Hello my friend!", "Hi buddy", "Hello assistant", "Hi, assistant!", "Hello AI", "Hello bot", "Hello, model.",
        "Hello, is anyone there?", "Anyone there?", "Are you there?", "Hi, can you help me?", "Hello, can you hear me?", "Nice to meet you!", "Pleased to meet you.", "Hello everyone!", "Hi all",
    )),
    (f"Good morning! {_HELP}", ("Good morning", "Good morning!", "Good morning, Genie.", "Good morning to you", "A very good morning!", "Morning!", "Hello, good morning!", "Hi, good morning")),
    (f"Good afternoon! {_HELP}", ("Good afternoon", "Good afternoon!", "Good afternoon, Genie.", "Good afternoon to you", "Hello, good afternoon!")),
    (f"Good evening! {_HELP}", ("Good evening", "Good evening!", "Good evening, Genie.", "Good evening to you", "Evening!", "Hello, good evening!")),
    ("Good night! Sleep well.", ("Good night", "Good night!", "Good night, Genie.", "Night night", "Sleep well!")),
    (f"I am fine, thank you. {_HELP}", (
        "How are you?", "How are you doing?", "How are you today?", "How are you doing today?", "How do you do?", "How is it going?", "How's it going?", "How are things?",
        "Hello, how are you?", "Hi, how are you?", "Hello! How are you?", "Hey, how are you doing?", "Hello there, how are you today?", "What's up?", "Whats up", "How have you been?", "Are you well?", "Hi! How's it going?",
        "How do you feel?", "How are you feeling today?", "Hi there! How are you?", "Hello Genie, how are you?", "Are you okay?", "Are you OK?", "Sup?",
    )),
    ("You are welcome!", (
        "Thanks", "Thanks!", "Thank you", "Thank you!", "Thank you very much.", "Thank you so much!", "Many thanks", "Thanks a lot", "Thanks a lot!", "Thanks, Genie!", "Thx", "Thank you for your help.", "Thanks for the help!",
        "Great, thanks!", "OK, thank you.", "Perfect, thank you!", "Cheers", "I appreciate it.", "That was helpful, thanks.", "Awesome, thanks", "Cool, thanks!", "Good, thank you.", "Nice, thanks",
    )),
    ("Goodbye!", (
        "Bye", "Bye!", "Goodbye", "Goodbye!", "Bye bye", "See you", "See you later", "See you later!", "See you soon.", "See you tomorrow!", "Good bye", "Farewell", "Goodbye, Genie.", "Bye for now", "Have a nice day!", "Have a good day.",
        "I have to go now.", "Take care!", "Talk to you later", "Until next time!", "That is all, bye!", "OK, bye",
    )),
    (WHO, (
        "Who are you?", "What are you?", "What is your name?", "What's your name?", "Tell me your name.", "Do you have a name?", "Who is this?", "Who am I talking to?", "What model are you?", "Which model is this?", "What kind of model are you?",
        "Are you a robot?", "Are you an AI?", "Are you a human?", "Are you human?", "Are you a person?", "Are you ChatGPT?", "Are you a bot?", "Are you a language model?", "Introduce yourself.", "Please introduce yourself", "Hello, who are you?",
        "Hi, who are you?", "Tell me about yourself.", "What should I call you?", "Can you tell me your name?", "May I ask your name?", "Say your name.", "Hello! What is your name?", "Hi, what's your name?", "Describe yourself.", "What are you called?", "Are you Genie?",
        "Who made you?", "What is Genie?", "Who is Genie?",
    )),
    (ABILITIES, (
        "What can you do?", "What can you do for me?", "What do you know?", "How can you help me?", "Help", "Help!", "help", "What are your abilities?", "What are you able to do?", "Tell me what you can do.", "What can I ask you?", "What can I ask?",
        "What are your skills?", "List your skills.", "What do you do?", "Show me what you can do.", "What else can you do?", "What are you good at?", "How can you help?", "What things can you do?", "What questions can you answer?",
    )),
)  # fmt: skip

_TELL = (
    "My name is {x}.", "my name is {x}", "I am {x}.", "I'm {x}.", "Call me {x}.", "You can call me {x}.", "My name's {x}.", "Hi, I am {x}.", "Hello, my name is {x}.", "Hi, my name is {x}!", "Hey, I'm {x}.", "The name is {x}.", "They call me {x}.",
    "Hello! I am {x}.", "Please call me {x}.", "People call me {x}.", "Hello there, my name is {x}.", "It's {x}.", "This is {x}.", "I am called {x}.", "Everyone calls me {x}.", "My first name is {x}.", "Good morning, I am {x}.", "Good evening, my name is {x}.",
    "Let me introduce myself: I am {x}.", "Just so you know, my name is {x}.", "Remember that my name is {x}.", "Remember my name: {x}.", "Hi Genie, I'm {x}.", "Hello Genie, my name is {x}.", "My name is {x}, remember it.", "My name is {x}, nice to meet you.",
    "Hi! My name is {x}. Nice to meet you!", "I go by {x}.", "From now on, call me {x}.", "You may call me {x}.", "Hi there, this is {x}.", "My name is {x}. What is yours?", "Hello, {x} here.", "Please remember my name, it is {x}.", "My friends call me {x}.",
)  # fmt: skip
_ASK = (
    "What is my name?", "What's my name?", "Do you remember my name?", "Who am I?", "Do you know my name?", "Tell me my name.", "Can you tell me my name?", "What was my name?", "What was my name again?", "Say my name.", "Do you know who I am?", "What did I say my name was?",
    "And what is my name?", "Please tell me my name.", "Can you remember my name?", "Remind me of my name.", "What am I called?", "What name did I give you?", "Have you forgotten my name?", "Now, what is my name?", "So what's my name?", "What do people call me?", "Repeat my name.", "What is my name again?",
    "How am I called?", "Could you tell me what my name is?", "Do you still remember my name?", "What did I tell you my name was?", "what is my first name?", "Which name did I tell you?",
)  # fmt: skip
_TELL_AND_ASK = (
    "My name is {x}. What is my name?", "I am {x}. Who am I?", "I'm {x}. What's my name?", "Hello, my name is {x}. Do you remember my name?", "Call me {x}. What is my name?", "My name is {x}. Tell me my name.", "Hi, I'm {x}. What is my name?", "My name is {x}, what is my name?",
    "If my name is {x}, what is my name?", "My name is {x}. Say my name.", "They call me {x}. What am I called?", "My name is {x}. Can you repeat my name?",
)  # fmt: skip


def greeting(rng: random.Random) -> Exchange:
    """Return small talk with its fixed reply."""
    reply, prompts = rng.choices(_SMALLTALK, weights=(9, 3, 2, 2, 1, 5, 4, 4, 6, 4))[0]
    prompt = phrasing.fill(rng, rng.choice(prompts), polite=0.0)
    return Exchange(kind=Kind.GREETING, prompt=prompt, answer=reply)


def tell_name(rng: random.Random, name: str) -> Exchange:
    """Return an introduction; the answer repeats the name."""
    prompt = phrasing.fill(rng, rng.choice(_TELL), polite=0.05, x=name)
    return Exchange(kind=Kind.NAME, prompt=prompt, answer=f"Nice to meet you, {name}!")


def ask_name(rng: random.Random, name: str | None) -> Exchange:
    """Return the question for a name that an earlier turn gave, or did not give."""
    prompt = phrasing.fill(rng, rng.choice(_ASK), polite=0.1)
    answer = NO_NAME if name is None else f"Your name is {name}."
    return Exchange(kind=Kind.NAME, prompt=prompt, answer=answer)


def tell_and_ask_name(rng: random.Random) -> Exchange:
    """Return an introduction and the question for it in one prompt."""
    name = words.person(rng)
    prompt = phrasing.fill(rng, rng.choice(_TELL_AND_ASK), polite=0.05, x=name)
    return Exchange(kind=Kind.NAME, prompt=prompt, answer=f"Your name is {name}.")
