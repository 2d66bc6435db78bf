"""What the user of REDIS_URL must be allowed to do, and whether it is: told at the start, and not by the first task that fails."""

from typing import Any, cast

from redis.asyncio import Redis

RULE = (
    "~memp:* +@read +@write +@transaction -@dangerous +eval +evalsha +script|load +select +ping +info +command|info +module|list"
    " +ft._list +ft.create +ft.info +ft.search +ft.aliasadd +ft.aliasupdate +ft.dropindex"
)
"""What `ACL SETUSER` must give, and no more; a server without a query engine knows none of the `ft.` commands."""

# One of each kind, as the server takes them apart to find their keys; {} is a key of ours.
_CALLS = (
    *("PING", "INFO", "SCAN 0", "MULTI", "EXEC", "SCRIPT LOAD x", "EVALSHA x 1 {}", "EXISTS {}", "DEL {}", "UNLINK {}"),
    *("HGET {} x", "HGETALL {}", "HMGET {} x", "HKEYS {}", "HEXISTS {} x", "HSET {} x x", "HSETNX {} x x", "HDEL {} x", "HINCRBY {} x 1"),
    *("SADD {} x", "SREM {} x", "SISMEMBER {} x", "RPUSH {} x", "LRANGE {} 0 1"),
    *("XADD {} * x x", "XDEL {} 0-1", "XLEN {}", "XRANGE {} - +", "XREVRANGE {} + -", "XTRIM {} MAXLEN 1", "XACK {} x 0-1"),
    *("XREADGROUP GROUP x x STREAMS {} >", "XCLAIM {} x x 0 0-1", "XAUTOCLAIM {} x x 0 0-0", "XPENDING {} x"),
    *("XINFO GROUPS {}", "XINFO CONSUMERS {}", "XGROUP CREATE {} x 0", "XGROUP DESTROY {} x", "XGROUP DELCONSUMER {} x x"),
    *("FT._LIST", "FT.INFO {}", "FT.CREATE {}", "FT.SEARCH {} x", "FT.ALIASADD {} {}", "FT.ALIASUPDATE {} {}", "FT.DROPINDEX {}"),
)

# KEYS any of ours | ARGV calls | returns those that the server knows and this user may not make
_ASK = """
local refused = {}
for _, call in ipairs(ARGV) do
  local words = {}
  for word in call:gmatch('%S+') do words[#words + 1] = word == '{}' and KEYS[1] or word end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if known and not allowed then refused[#refused + 1] = call end
end
return refused
"""


async def lacking(client: Redis) -> list[str]:
    """Commands that memp needs and that this user may not give on memp's keys, as `ACL SETUSER` names them.

    Raises what redis-py raises, NoPermissionError where not even asking is allowed.
    """
    refused = cast(list[bytes], await cast(Any, client.eval(_ASK, 1, "memp:{rights}:meta", *_CALLS)))
    return [_named(call.decode()) for call in refused]


def _named(call: str) -> str:
    command, _, rest = call.lower().partition(" ")
    return f"{command}|{rest.split()[0]}" if command in ("script", "xinfo", "xgroup") else command
