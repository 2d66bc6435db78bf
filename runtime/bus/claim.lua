-- Take over entries that nobody renewed for a whole lease; XAUTOCLAIM raises their delivery count but does not tell it.
-- KEYS stream | ARGV group, consumer, lease ms, cursor, count | returns cursor, {{id, deliveries, fields}, ...},
-- {ids of entries that were deleted from the stream while they were pending, ...}
local swept = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'COUNT', ARGV[5])
local taken = {}
for _, entry in ipairs(swept[2]) do
  if entry and entry[1] then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], entry[1], entry[1], 1)
    taken[#taken + 1] = {entry[1], pending[1][4], entry[2]}
  end
end
if swept[1] == '0-0' then
  -- Once round: forget consumers that left nothing behind and were not heard of for long. One that lives is made anew by its next read.
  for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = {}
    for i = 1, #fields, 2 do consumer[fields[i]] = fields[i + 1] end
    if consumer.pending == 0 and consumer.name ~= ARGV[2] and consumer.idle > 20 * tonumber(ARGV[3]) then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    end
  end
end
return {swept[1], taken, swept[3] or {}}
