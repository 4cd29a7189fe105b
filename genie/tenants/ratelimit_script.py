"""The script that counts a request of a key, run by Redis in one piece. Holds no other logic."""

import hashlib

# KEYS: the list of admitted requests' times, oldest first; the hash of the day's number and count.
# ARGV: requests per minute and per day (0: unlimited), microseconds to add to the clock (tests).
# A refused request leaves no trace, so waiting as told always helps. Times are microseconds, exact
# in a double until the year 2255. If the clock steps back, entries stay longer: never too lax.
SOURCE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] + tonumber(ARGV[3])
local rpm, rpd = tonumber(ARGV[1]), tonumber(ARGV[2])
local minute, day_length = 60000000, 86400000000

local in_minute = 0
if rpm > 0 then
  local oldest = redis.call('LINDEX', KEYS[1], 0)
  while oldest and tonumber(oldest) <= now - minute do
    redis.call('LPOP', KEYS[1])
    oldest = redis.call('LINDEX', KEYS[1], 0)
  end
  in_minute = redis.call('LLEN', KEYS[1])
end

local day, in_day = math.floor(now / day_length), 0
if rpd > 0 then
  local stored = redis.call('HMGET', KEYS[2], 'day', 'count')
  if stored[1] and tonumber(stored[1]) >= day then
    day, in_day = tonumber(stored[1]), tonumber(stored[2])
  end
end

local allowed = 1
if (rpm > 0 and in_minute >= rpm) or (rpd > 0 and in_day >= rpd) then
  allowed = 0
else
  if rpm > 0 then
    redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
    redis.call('PEXPIRE', KEYS[1], 61000)
    in_minute = in_minute + 1
  end
  if rpd > 0 then
    redis.call('HSET', KEYS[2], 'day', string.format('%.0f', day), 'count', in_day + 1)
    redis.call('PEXPIRE', KEYS[2], 90000000)
    in_day = in_day + 1
  end
end

local minute_frees, day_frees = 0, 0
if rpm > 0 then
  local first = redis.call('LINDEX', KEYS[1], math.max(0, in_minute - rpm))
  minute_frees = tonumber(first) + minute - now
end
if rpd > 0 then
  day_frees = (day + 1) * day_length - now
end
return {allowed, in_minute, minute_frees, in_day, day_frees}
"""

SHA = hashlib.sha1(
    SOURCE.encode(), usedforsecurity=False
).hexdigest()  # the name EVALSHA knows it by
