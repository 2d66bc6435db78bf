-- Write one entry of a journal, once, under the fence of the delivery that it belongs to.
-- KEYS stream, journal | ARGV group, id, consumer, deliveries, field, value
if not held(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]) then return 0 end
redis.call('HSETNX', KEYS[2], ARGV[5], ARGV[6])
return 1
