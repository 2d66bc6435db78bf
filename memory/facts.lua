-- All facts of some procedures; how many each has is known only here. Answers, for each, a list of {name, value, vector}.
-- KEYS meta (all keys are on its slot) | ARGV prefix, procedures
local found = {}
for i = 2, #ARGV do
  local facts, key = {}, ARGV[1] .. 'fact:' .. ARGV[i] .. ':'
  local fact = redis.call('HMGET', key .. 1, 'name', 'value', 'vector')
  while fact[1] do
    facts[#facts + 1] = fact
    fact = redis.call('HMGET', key .. (#facts + 1), 'name', 'value', 'vector')
  end
  found[#found + 1] = facts
end
return found
