-- Publish events that are not there yet: the id is marked after the write that can fail.
-- KEYS meta, stream, marks, progress | ARGV epoch, counter, then id, event, id, event, ... | returns how many were new
if not current(KEYS[1], ARGV[1]) then return redis.error_reply('EPOCH') end
local new = 0
for i = 3, #ARGV, 2 do
  if redis.call('SISMEMBER', KEYS[3], ARGV[i]) == 0 then
    redis.call('XADD', KEYS[2], '*', 'event', ARGV[i + 1])
    redis.call('SADD', KEYS[3], ARGV[i])
    redis.call('HINCRBY', KEYS[4], ARGV[2], 1)
    new = new + 1
  end
end
return new
