-- Take an entry off a stream for good, with a dead letter (or, of a closed epoch, without), if it is still ours.
-- KEYS stream, dead | ARGV group, id, consumer, deliveries, dead letter or ''
if not held(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]) then return 0 end
if ARGV[5] ~= '' then redis.call('XADD', KEYS[2], '*', 'event', ARGV[5]) end
finish(KEYS[1], ARGV[1], ARGV[2])
return 1
