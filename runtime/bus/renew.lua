-- Set how long entries count as idle, each if it is still ours. JUSTID keeps XCLAIM from raising the delivery count.
-- Renewing passes idle 0 and the count as it is; releasing passes a whole lease (the next sweep takes the entry at
-- once) and one less (that sweep raises the count again), unless the delivery failed and is meant to count.
-- KEYS stream | ARGV group, consumer, idle ms, then id, deliveries, retry count, id, ...
-- Returns of each 1, or 0 where the lease is lost, or 2 where the entry was deleted: XCLAIM would drop it for good, so it is left.
local kept = {}
for i = 4, #ARGV, 3 do
  local id, deliveries, count = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local ours = held(KEYS[1], ARGV[1], id, ARGV[2], deliveries)
  local there = ours and #redis.call('XRANGE', KEYS[1], id, id) > 0
  if there then redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', ARGV[3], 'RETRYCOUNT', count, 'JUSTID') end
  kept[#kept + 1] = there and 1 or ours and 2 or 0
end
return kept
