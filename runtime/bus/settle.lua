-- Settle a task: its trajectory (or its dead letter) is published, marked and acknowledged in one step.
-- The mark is read first, then the fence; the write that can fail precedes the mark.
-- KEYS meta, tasks, destination, committed, journal, progress, group
-- ARGV epoch, consumer group, id, consumer, deliveries, task, token, event, outcome (committed|dead), index, tokens
local mark = redis.call('HGET', KEYS[4], ARGV[6])
if mark == ARGV[7] then return 'already' end
if mark or not current(KEYS[1], ARGV[1]) then
  if held(KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5]) then
    finish(KEYS[2], ARGV[2], ARGV[3])
    redis.call('DEL', KEYS[5])
  end
  return mark and 'refused' or 'epoch'
end
if not held(KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5]) then return 'lost' end
redis.call('XADD', KEYS[3], '*', 'event', ARGV[8])
redis.call('HSET', KEYS[4], ARGV[6], ARGV[7])
finish(KEYS[2], ARGV[2], ARGV[3])
redis.call('DEL', KEYS[5])
redis.call('HINCRBY', KEYS[6], ARGV[9], 1)
redis.call('HINCRBY', KEYS[6], 'tokens', ARGV[11])
-- A task that died before and was put back counts no more in its group, which goes on without it.
if redis.call('HEXISTS', KEYS[7], 'dead:' .. ARGV[10]) == 0 then
  redis.call('HINCRBY', KEYS[7], ARGV[9], 1)
  if ARGV[9] == 'dead' then redis.call('HSET', KEYS[7], 'dead:' .. ARGV[10], 1) end
end
return 'settled'
