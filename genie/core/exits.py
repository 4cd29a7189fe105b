"""Exit statuses that mean something to whoever supervises a process."""

# The process asks for another one in its place: it is well-behaved, and its device or a thread of it
# is not. The value is EX_TEMPFAIL of sysexits.h: "try again".
REPLACE = 75
