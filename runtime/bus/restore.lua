-- Put an entry that was deleted while it was held back on its stream, as a new one.
-- KEYS stream | ARGV group, id, consumer, deliveries, payload
if not held(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]) then return 0 end
redis.call('XADD', KEYS[1], '*', 'event', ARGV[5])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return 1
