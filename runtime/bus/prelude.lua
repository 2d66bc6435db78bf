-- Shared by all scripts. Commands up to Redis 7.0 only.

-- Is this delivery still the one that holds the entry? A group that is gone holds nothing.
local function held(stream, group, id, consumer, deliveries)
  local pending = redis.pcall('XPENDING', stream, group, id, id, 1)
  return not pending.err and pending[1] ~= nil
    and pending[1][2] == consumer and pending[1][4] == tonumber(deliveries)
end

local function after(id, other)
  local ms, seq = id:match('(%d+)-(%d+)')
  local other_ms, other_seq = other:match('(%d+)-(%d+)')
  ms, seq, other_ms, other_seq = tonumber(ms), tonumber(seq), tonumber(other_ms), tonumber(other_seq)
  return ms > other_ms or (ms == other_ms and seq > other_seq)
end

-- Delete an entry once every registered group (but `gone`) has had it and none has it pending: XDEL would drop others' work.
local function forget(stream, id, gone)
  for _, fields in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local group = {}
    for i = 1, #fields, 2 do group[fields[i]] = fields[i + 1] end
    if group['name'] ~= gone then
      if after(id, group['last-delivered-id']) then return end
      if #redis.call('XPENDING', stream, group['name'], id, id, 1) > 0 then return end
    end
  end
  redis.call('XDEL', stream, id)
end

local function finish(stream, group, id)
  redis.pcall('XACK', stream, group, id)
  forget(stream, id)
end

-- Does the namespace still live in this epoch? One that was never opened has none.
local function current(meta, epoch)
  return redis.call('HGET', meta, 'epoch') == epoch
end
