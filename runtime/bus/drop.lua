-- Take an entry off a stream for good, with a dead letter (or, of a closed epoch, without), if it is still ours.
-- A trajectory that was counted when it was published is counted as dropped, so that nobody waits for its application.
-- KEYS stream, dead, then for a trajectory whose task is known: meta, submitted, committed, applied, progress, group
-- ARGV group, id, consumer, deliveries, dead letter or '', then for such a trajectory: epoch, its id, its task, index or ''
if not held(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]) then return 0 end
if ARGV[5] ~= '' then redis.call('XADD', KEYS[2], '*', 'event', ARGV[5]) end
if KEYS[3] and current(KEYS[3], ARGV[6]) then
  local counted = redis.call('SISMEMBER', KEYS[4], ARGV[7]) == 1 or redis.call('HEXISTS', KEYS[5], ARGV[8]) == 1
  if counted and redis.call('SISMEMBER', KEYS[6], ARGV[7]) == 0 and redis.call('SADD', KEYS[6], 'dropped:' .. ARGV[7]) == 1 then
    redis.call('HINCRBY', KEYS[7], 'dropped', 1)
    if ARGV[9] ~= '' then redis.call('HSET', KEYS[8], 'dead:' .. ARGV[9], 1) end
  end
end
finish(KEYS[1], ARGV[1], ARGV[2])
return 1
