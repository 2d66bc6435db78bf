-- Delete those of a page of entries that no group but the given one still needs; without one, nothing where no group is left to ask.
-- KEYS stream | ARGV group that is about to go or '', start of the range, entries per page | returns the page's last id (nil at the end), how many were deleted
if redis.call('EXISTS', KEYS[1]) == 0 or (ARGV[1] == '' and #redis.call('XINFO', 'GROUPS', KEYS[1]) == 0) then return {false, 0} end
local page = redis.call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', ARGV[3])
local before = redis.call('XLEN', KEYS[1])
for _, entry in ipairs(page) do forget(KEYS[1], entry[1], ARGV[1]) end
return {#page > 0 and page[#page][1] or false, before - redis.call('XLEN', KEYS[1])}
