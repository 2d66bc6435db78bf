-- Set how long an entry counts as idle, if it is still ours. JUSTID keeps XCLAIM from raising the delivery count.
-- Renewing passes idle 0 and the count as it is; releasing passes a whole lease (the next sweep takes the entry at
-- once) and one less (that sweep raises the count again), unless the delivery failed and is meant to count.
-- KEYS stream | ARGV group, id, consumer, deliveries, idle ms, retry count | returns 1, or 0 where the lease is lost
if not held(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]) then return 0 end
redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[2], 'IDLE', ARGV[5], 'RETRYCOUNT', ARGV[6], 'JUSTID')
return 1
