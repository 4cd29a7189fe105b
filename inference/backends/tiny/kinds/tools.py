"""Function calling: which tool a request needs, and its arguments out of the request's own words."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from inference.backends.tiny import phrasing, words
from inference.backends.tiny.dialogue import Dialogue, Kind, Message

Values = dict[str, Any]  # argument's role -> value


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Tools of one purpose under several names, and how people ask for them."""

    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    arguments: Mapping[
        str, tuple[str, ...]
    ]  # role -> names it goes by; the prompt's slots are roles
    prompts: tuple[str, ...]
    integers: frozenset[str] = frozenset()
    results: tuple[str, ...] = ("ok",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One concrete tool of a family, as a caller declares it."""

    name: str
    spec: Mapping[str, Any]
    keys: Mapping[str, str]  # role -> argument's name
    family: Family


FAMILIES = (
    Family(
        names=("get_weather", "weather", "get_current_weather", "fetch_weather", "weather_lookup", "getWeather"),
        descriptions=("Get the weather in a city.", "Get the current weather.", "Weather by city", "Returns the weather for a place"),
        arguments={"city": ("city", "location", "place", "town")},
        prompts=("What is the weather in {city}?", "What's the weather like in {city}?", "How is the weather in {city}?", "Weather in {city}?", "Tell me the weather in {city}.", "Is it raining in {city}?", "What is the weather in {city} today?", "Is it cold in {city}?", "weather {city}", "Get the weather for {city}.", "How hot is it in {city}?", "Do I need an umbrella in {city}?", "Check the weather in {city}."),
        results=("sunny, 21 degrees", '{"temperature": 18, "condition": "rain"}', "rain", "cloudy, 9 C", '{"temp": 25}'),
    ),
    Family(
        names=("get_time", "current_time", "get_current_time", "time_in", "clock"),
        descriptions=("Get the current time in a city.", "Current time of a place", "Tells the time"),
        arguments={"city": ("city", "location", "place", "timezone")},
        prompts=("What time is it in {city}?", "What is the time in {city}?", "Tell me the time in {city}.", "Current time in {city}?", "time in {city}", "How late is it in {city}?", "What's the local time in {city}?"),
        results=("14:05", '{"time": "09:30"}', "noon"),
    ),
    Family(
        names=("add", "add_numbers", "sum", "calculate_sum"),
        descriptions=("Add two numbers.", "Adds a and b", "Returns the sum of two integers"),
        arguments={"a": ("a", "x", "first"), "b": ("b", "y", "second")}, integers=frozenset("ab"),
        prompts=("What is {a} + {b}?", "Add {a} and {b}.", "What is the sum of {a} and {b}?", "How much is {a} plus {b}?", "{a} + {b}", "Use the tool to add {a} and {b}.", "Calculate {a} + {b}."),
        results=("42", "107", '{"result": 15}'),
    ),
    Family(
        names=("multiply", "multiply_numbers", "product", "mul"),
        descriptions=("Multiply two numbers.", "Multiplies a by b", "Returns the product of two integers"),
        arguments={"a": ("a", "x", "first"), "b": ("b", "y", "second")}, integers=frozenset("ab"),
        prompts=("What is {a} times {b}?", "Multiply {a} by {b}.", "What is the product of {a} and {b}?", "How much is {a} * {b}?", "{a} * {b}", "Use the tool to multiply {a} and {b}."),
        results=("42", "1200", '{"result": 56}'),
    ),
    Family(
        names=("search", "web_search", "search_web", "google", "find_documents"),
        descriptions=("Search the web.", "Full text search", "Finds pages about a query"),
        arguments={"query": ("query", "q", "text", "term")},
        prompts=("Search for {query}.", "Search the web for {query}.", "Look up {query}.", "Find information about {query}.", "Google {query}.", "Find {query}.", "Can you search for {query}?", "Search: {query}"),
        results=("3 pages found", '{"hits": 12}', "nothing found"),
    ),
    Family(
        names=("send_message", "send_email", "send_mail", "message_user"),
        descriptions=("Send a message to a person.", "Sends text to a recipient", "Send an email"),
        arguments={"name": ("to", "recipient", "name"), "query": ("text", "body", "message")},
        prompts=('Send "{query}" to {name}.', "Send {name} the message: {query}", "Tell {name}: {query}", "Write to {name}: {query}", "Send a message to {name}: {query}", 'Message {name} "{query}"', "Send an email to {name} saying {query}"),
        results=("sent", '{"status": "sent"}', "delivered"),
    ),
    Family(
        names=("set_timer", "start_timer", "timer", "create_timer"),
        descriptions=("Set a timer.", "Starts a timer of some minutes", "Countdown in minutes"),
        arguments={"n": ("minutes", "duration", "time_minutes")}, integers=frozenset("n"),
        prompts=("Set a timer for {n} minutes.", "Start a timer of {n} minutes.", "Timer, {n} minutes.", "Set a {n} minute timer.", "Wake me in {n} minutes.", "Remind me in {n} minutes."),
        results=("timer set", '{"ok": true}'),
    ),
    Family(
        names=("get_stock_price", "stock_price", "quote", "get_price"),
        descriptions=("Get the price of a stock.", "Latest stock quote", "Price by symbol"),
        arguments={"symbol": ("symbol", "ticker", "stock")},
        prompts=("What is the stock price of {symbol}?", "What is {symbol} trading at?", "Price of {symbol}?", "Get the stock price for {symbol}.", "How much is one share of {symbol}?", "Look up the price of {symbol}."),
        results=("101.5", '{"price": 88}', "17 dollars"),
    ),
    Family(
        names=("get_user", "lookup_user", "find_user", "user_info"),
        descriptions=("Look up a user.", "Returns a user's record", "Find a user by name"),
        arguments={"name": ("name", "username", "user")},
        prompts=("Look up the user {name}.", "Find user {name}.", "Who is the user {name}?", "Get the record of {name}.", "Show me the user {name}.", "Find {name} in the database."),
        results=("not found", '{"id": 7}', "active since 2020"),
    ),
    Family(
        names=("play_music", "play_song", "play", "music_player"),
        descriptions=("Play a song.", "Plays music by title", "Start the music"),
        arguments={"query": ("song", "title", "track")},
        prompts=("Play {query}.", "Play the song {query}.", "I want to hear {query}.", "Put on {query}.", 'Play "{query}"', "Can you play {query}?"),
        results=("playing", '{"status": "playing"}'),
    ),
    Family(
        names=("turn_on_light", "light_on", "switch_light", "set_light"),
        descriptions=("Turn on the light in a room.", "Switches a light on", "Light control"),
        arguments={"room": ("room", "location", "where")},
        prompts=("Turn on the light in the {room}.", "Switch on the {room} light.", "Light on in the {room}, please.", "Make the {room} bright.", "Turn the {room} light on."),
        results=("on", '{"light": "on"}'),
    ),
    Family(
        names=("order_food", "order", "place_order", "buy"),
        descriptions=("Order food.", "Place an order", "Buys items"),
        arguments={"food": ("item", "product", "food"), "n": ("quantity", "count", "amount")}, integers=frozenset("n"),
        prompts=("Order {n} {food}.", "I want {n} {food}.", "Buy {n} {food}.", "Please get me {n} {food}.", "Can I have {n} {food}?", "Order {n} {food} for me."),
        results=("ordered", '{"order_id": 12}'),
    ),
)  # fmt: skip

_ROOMS = ("kitchen", "bedroom", "bathroom", "garage", "hall", "office", "living room", "garden")
_TYPES = {True: "integer", False: "string"}


def tools(rng: random.Random) -> Dialogue:
    """Return one request, the right call among the declared tools, and often its result."""
    family = _invented_family(rng) if rng.random() < 0.25 else rng.choice(FAMILIES)
    wanted = _declare(rng, family)
    offered = with_distractors(rng, wanted)
    values = {role: _value(rng, role) for role in family.arguments}
    slots = {role: str(value) for role, value in values.items()}
    prompt = phrasing.fill(rng, rng.choice(family.prompts), polite=0.1, open_ended=True, **slots)
    call = {
        "name": wanted.name,
        "arguments": {wanted.keys[role]: value for role, value in values.items()},
    }
    messages: list[Message] = [
        {"role": "user", "content": prompt},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "function", "function": call}],
        },
    ]
    if rng.random() < 0.4:
        messages += _reported(rng, family)
    specs = tuple(tool.spec for tool in offered)
    return Dialogue(kind=Kind.TOOLS, messages=tuple(messages), tools=specs)


def offered_tools(rng: random.Random) -> tuple[Mapping[str, Any], ...]:
    """Return tools that a dialogue may be offered and has no use for: nothing that adds or looks up."""
    useless = FAMILIES[10:]
    return tuple(_declare(rng, family).spec for family in rng.sample(useless, k=rng.randint(1, 2)))


def with_distractors(rng: random.Random, wanted: Tool) -> list[Tool]:
    """Return the tool among up to two others of other purposes, in any order."""
    others = [family for family in FAMILIES if family is not wanted.family]
    drawn = rng.sample(others, k=rng.choice((0, 0, 0, 1, 1, 2)))
    offered = [wanted, *(_declare(rng, family) for family in drawn)]
    rng.shuffle(offered)
    return offered


def _reported(rng: random.Random, family: Family) -> list[Message]:
    result = rng.choice(family.results)
    if rng.random() < 0.5:
        result = " ".join(words.word(rng) for _ in range(rng.randint(1, 4)))
    return [
        {"role": "tool", "content": result},
        {"role": "assistant", "content": f"The result is: {result}"},
    ]


def _declare(rng: random.Random, family: Family) -> Tool:
    keys = {role: rng.choice(names) for role, names in family.arguments.items()}
    properties: dict[str, Any] = {}
    for role, key in keys.items():
        properties[key] = {"type": _TYPES[role in family.integers]}
        if rng.random() < 0.2:
            properties[key]["description"] = f"The {key}"
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if rng.random() < 0.7:
        parameters["required"] = list(properties)
    name = rng.choice(family.names)
    function: dict[str, Any] = {"name": name}
    if rng.random() < 0.85:
        function["description"] = rng.choice(family.descriptions)
    function["parameters"] = parameters
    return Tool(
        name=name, spec={"type": "function", "function": function}, keys=keys, family=family
    )


def _invented_family(rng: random.Random) -> Family:
    """A tool of no known purpose, called by its name: only copying solves it."""
    verb = rng.choice(
        (
            "get",
            "set",
            "find",
            "lookup",
            "read",
            "open",
            "check",
            "run",
            "list",
            "delete",
            "create",
            "update",
        )
    )
    thing = rng.choice((words.invented(rng), rng.choice(words.words("nouns"))))
    key = rng.choice(
        ("id", "key", "value", "item", words.invented(rng), rng.choice(words.words("nouns")))
    )
    name = f"{verb}_{thing}"
    return Family(
        names=(name,),
        descriptions=(f"{verb.capitalize()} {thing}", f"{verb.capitalize()} the {thing}.", f"{verb} a {thing} by {key}"),
        arguments={"query": (key,)},
        prompts=(f"Use {name} with {{query}}.", f"Call {name} with {{query}}.", f"{verb.capitalize()} the {thing} {{query}}", f"Call {name} for {{query}}", f"Use {name}: {{query}}", f"{verb.capitalize()} {thing} {{query}}.", f"Please call {name} with {key} {{query}}"),
        results=("ok", "done", '{"status": "ok"}'),
    )  # fmt: skip


def _value(rng: random.Random, role: str) -> Any:
    makers: dict[str, Callable[[], Any]] = {
        "city": lambda: words.place(rng),
        "name": lambda: words.person(rng),
        "a": lambda: rng.randint(0, 999),
        "b": lambda: rng.randint(0, 999),
        "n": lambda: rng.randint(2, 90),
        "query": lambda: " ".join(words.word(rng) for _ in range(rng.choice((1, 1, 2, 3)))),
        "symbol": lambda: "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(3, 4))),
        "room": lambda: rng.choice(_ROOMS),
        "food": lambda: rng.choice(words.words("foods")),
    }  # fmt: skip
    return makers[role]()
