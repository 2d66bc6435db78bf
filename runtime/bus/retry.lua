-- Put the work of a dead letter back on its stream and take the letter away, in one step: whoever comes second finds none.
-- What the letter had settled is open again, its counter put right. The write that can fail comes first.
-- KEYS meta, dead, stream, progress, marks
-- ARGV letter, epoch, event, consumer group that must be there or '', counter ('dead', 'dropped' or ''), member of the marks,
--      how a dead task's mark must end
if #redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1]) == 0 then return 'gone' end
if not current(KEYS[1], ARGV[2]) then return 'epoch' end

local function has_group(name)
  local groups = redis.pcall('XINFO', 'GROUPS', KEYS[3])
  if groups.err then return false end
  for _, fields in ipairs(groups) do
    for i = 1, #fields, 2 do
      if fields[i] == 'name' and fields[i + 1] == name then return true end
    end
  end
  return false
end
if ARGV[4] ~= '' and not has_group(ARGV[4]) then return 'nobody' end

local counter, member = ARGV[5], ARGV[6]
local mark = counter == 'dead' and redis.call('HGET', KEYS[5], member)
if mark and mark:sub(-#ARGV[7]) ~= ARGV[7] then return 'settled' end

redis.call('XADD', KEYS[3], '*', 'event', ARGV[3])
redis.call('XDEL', KEYS[2], ARGV[1])
local opened = 0
if counter == 'dead' then opened = redis.call('HDEL', KEYS[5], member) end
if counter == 'dropped' then opened = redis.call('SREM', KEYS[5], member) end
if opened == 1 then redis.call('HINCRBY', KEYS[4], counter, -1) end
return 'retried'
