-- Apply one trajectory (or a person's command) to memory, exactly once, and acknowledge its event.
-- Checks come first: the mark, the epoch, the fence, the turn, the revisions that the change was computed from. Then
-- the write that can fail (the changes entry), and after it everything else; the mark and the acknowledgement are last.
--
-- A replay (plan.replayed: entry, version, deprecated of a changes stream) takes these from the record; its entry is its mark.
--
-- KEYS meta, trajectories, changes, applied, progress, group, goals, journal, dead
-- ARGV prefix, epoch, group, id, consumer, deliveries (group '' for a command), trajectory (or a command's own id), index or '', change or '',
--      plan, dead letter or '', then the vectors
local prefix, epoch, trajectory, index, change = ARGV[1], ARGV[2], ARGV[7], ARGV[8], ARGV[9]
local plan = cjson.decode(ARGV[10])
local event = ARGV[3] ~= ''
local replayed = plan.replayed

local function key(kind, procedure) return prefix .. kind .. ':' .. procedure end
local function revision_of(procedure) return tonumber(redis.call('HGET', key('procedure', procedure), 'revision') or 0) end

-- Credit of a revision: its counters, and what those trials say in which chance decided whether it was given.
local COUNTERS = {'uses', 'successes', 'given', 'given_successes', 'withheld', 'withheld_successes'}
local SUCCESSES = {uses = 'successes', given = 'given_successes', withheld = 'withheld_successes'}

local function credit_of(use)
  local names = {'trial:' .. use.revision, 'evidence:' .. use.revision}
  for number, name in ipairs(COUNTERS) do names[number + 2] = name .. ':' .. use.revision end
  local stored = redis.call('HMGET', key('credit', use.procedure), unpack(names))
  local credit = {trial = tonumber(stored[1]), evidence = tonumber(stored[2] or 0)}
  for number, name in ipairs(COUNTERS) do credit[name] = tonumber(stored[number + 2] or 0) end
  return credit
end

local function count(credit, arm, success)
  credit[arm] = credit[arm] + 1
  if success then credit[SUCCESSES[arm]] = credit[SUCCESSES[arm]] + 1 end
end

-- As HSET takes them; what nothing came of is left out, so that a memory without trials is as it ever was.
local function fields_of(credit, revision)
  local fields = {}
  local function put(name, value) fields[#fields + 1], fields[#fields + 2] = name .. ':' .. revision, value end
  for arm, successes in pairs(SUCCESSES) do
    if credit[arm] > 0 then
      put(arm, credit[arm])
      put(successes, credit[successes])
    end
  end
  if credit.trial then
    put('trial', credit.trial)
    put('evidence', string.format('%.17g', credit.evidence))
  end
  return fields
end

-- Evidence that a revision does harm: the logarithm of what a gambler has made of 1 who bets that it succeeds less often when it is given
-- than when it is withheld (Ramdas, Grünwald, Vovk, Shafer 2023; the bet is Turner and Grünwald's, 2023). Each trial is foretold by what
-- its arm did before, and the gambler is paid that forecast over the one for both arms, weighted by their chances. Where giving it lowers
-- the chance of success in no trial, none is expected to pay, so evidence e is reached with probability 1 / exp(e) at most, however often
-- one looks. (Exact where trials are applied in an order that does not depend on how they ended, as in groups, and none was aborted.)
local function weigh(credit, use)
  local given = (credit.given_successes + 0.5) / (credit.given + 1)
  local withheld = (credit.withheld_successes + 0.5) / (credit.withheld + 1)
  if given >= withheld then return end
  local own, both = use.withheld and withheld or given, (1 - use.dropout) * given + use.dropout * withheld
  credit.evidence = credit.evidence + math.log(use.success and own / both or (1 - own) / (1 - both))
end

-- How much of the false-discovery rate the nth revision that was tried may use up: half of it is shared by the first 64, half of the rest by
-- the next 128, and so on.
local function part_of(nth)
  local many, share = 64, 0.5
  while nth > many do nth, many, share = nth - many, many * 2, share / 2 end
  return share / many
end

-- Whether evidence suffices after so many discoveries: of all of them, the expected share of false ones is at most `fdr` at any time, whatever
-- the procedures have to do with each other (e-LOND: Xu and Ramdas 2024).
local function is_discovery(credit, discoveries, fdr)
  return credit.trial ~= nil and credit.evidence >= -math.log(fdr * part_of(credit.trial) * (discoveries + 1))
end

local function applied()
  if replayed then return #redis.call('XRANGE', KEYS[3], replayed.entry, replayed.entry) == 1 end
  return redis.call('SISMEMBER', KEYS[4], trajectory) == 1
end

if applied() or not current(KEYS[1], epoch) then
  if event and held(KEYS[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]) then
    finish(KEYS[2], ARGV[3], ARGV[4])
    redis.call('DEL', KEYS[8])
  end
  return applied() and 'already' or 'epoch'
end
if event and not held(KEYS[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]) then return 'lost' end

-- Grouped mode: nothing is applied before the whole group has ended, and then in the order of the tasks.
local function skip_dead(turn)
  while redis.call('HEXISTS', KEYS[6], 'dead:' .. turn) == 1 do turn = turn + 1 end
  return turn
end
-- What died or was dropped, and was put back, waits for nobody: its group goes on without it.
if index ~= '' and redis.call('HEXISTS', KEYS[6], 'dead:' .. index) == 1 then index = '' end
if index ~= '' then
  local group = redis.call('HMGET', KEYS[6], 'size', 'committed', 'dead', 'next', 'first')
  local ended = tonumber(group[2] or 0) + tonumber(group[3] or 0)
  if ended < tonumber(group[1] or 0) then return 'turn' end
  if skip_dead(tonumber(group[4] or group[5] or 0)) ~= tonumber(index) then return 'turn' end
end

local version = tonumber(redis.call('HGET', KEYS[1], 'version') or 0) + 1
if replayed and replayed.version ~= version then return 'conflict' end
for _, old in ipairs(replayed and replayed.deprecated or {}) do
  if revision_of(old.procedure) ~= old.revision then return 'conflict' end
end
local written = {}
for _, write in ipairs(plan.writes) do
  if revision_of(write.procedure) ~= write.expects then return 'conflict' end
  if write.goal and redis.call('HEXISTS', KEYS[7], write.goal) == 1 then return 'conflict' end
  written[write.procedure] = true
end
for _, source in ipairs(plan.sources) do
  if revision_of(source.procedure) ~= source.expects then return 'conflict' end
end

-- Every use is counted; the revision that it is of may be deprecated then, unless this very change revises it.
local chance = redis.call('HMGET', KEYS[1], 'trials', 'discoveries')
local trials, discoveries = tonumber(chance[1] or 0), tonumber(chance[2] or 0)

local function counted(use)
  local credit = credit_of(use)
  if use.dropout then
    if not credit.trial then
      trials = trials + 1
      credit.trial = trials
    end
    weigh(credit, use)
    count(credit, use.withheld and 'withheld' or 'given', use.success)
  end
  if not use.withheld then count(credit, 'uses', use.success) end
  return credit
end

local deprecated, credits = replayed and replayed.deprecated or {}, {}
for _, old in ipairs(deprecated) do discoveries = discoveries + (old.evidence and 1 or 0) end
for number, use in ipairs(plan.uses) do
  local credit = counted(use)
  credits[number] = credit
  local active = redis.call('HGET', key('procedure', use.procedure), 'status') == 'active'
  if not replayed and active and not written[use.procedure] and revision_of(use.procedure) == use.revision then
    if plan.fdr then
      if is_discovery(credit, discoveries, plan.fdr) then
        discoveries = discoveries + 1
        local evidence = math.exp(math.min(credit.evidence, 600))
        deprecated[#deprecated + 1] = {procedure = use.procedure, revision = use.revision, evidence = evidence}
      end
    elseif not use.withheld and credit.uses >= plan.deprecate_uses and credit.successes / credit.uses < plan.deprecate_share then
      deprecated[#deprecated + 1] = {procedure = use.procedure, revision = use.revision}
    end
  end
end

if change ~= '' then
  redis.call('XADD', KEYS[3], replayed and replayed.entry or '*', 'event', change, 'version', version,
    'deprecated', #deprecated > 0 and cjson.encode(deprecated) or '[]')
  redis.call('HSET', KEYS[1], 'version', version)
end
if ARGV[11] ~= '' then redis.call('XADD', KEYS[9], '*', 'event', ARGV[11]) end

for _, write in ipairs(plan.writes) do
  -- In one command, and without what stays as it is: a write to an indexed field puts the vector into the index anew.
  local fields = write.fields
  if write.vector then fields[#fields + 1], fields[#fields + 2] = 'vector', ARGV[11 + write.vector] end
  local before = redis.call('HGET', key('procedure', write.procedure), 'status')
  if before ~= write.status then fields[#fields + 1], fields[#fields + 2] = 'status', write.status end
  redis.call('HSET', key('procedure', write.procedure), unpack(fields))
  redis.call('HSET', key('revisions', write.procedure), write.number, write.revision)
  for _, old in ipairs(write.history) do redis.call('HSET', key('revisions', write.procedure), old[1], old[2]) end
  if write.expects == 0 then redis.call('HINCRBY', KEYS[1], 'procedures', 1) end
  if write.goal then redis.call('HSET', KEYS[7], write.goal, write.procedure) end
  -- The first vector of a fact stands: another one would put it into the index anew, and change the others who have it.
  for _, fact in ipairs(write.facts) do
    if redis.call('EXISTS', key('fact', fact.id)) == 0 then
      redis.call('HSET', key('fact', fact.id), 'env', write.env, 'name', fact.name, 'value', fact.value, 'vector', ARGV[11 + fact.vector])
    end
  end
  for _, counter in ipairs(write.credit) do redis.call('HINCRBY', key('credit', write.procedure), counter[1], counter[2]) end
  for _, source in ipairs(write.sources) do redis.call('RPUSH', key('sources', write.procedure), source) end
end
for _, source in ipairs(plan.sources) do redis.call('RPUSH', key('sources', source.procedure), source.trajectory) end
for number, use in ipairs(plan.uses) do
  local fields = fields_of(credits[number], use.revision)
  if #fields > 0 then redis.call('HSET', key('credit', use.procedure), unpack(fields)) end
end
if trials > 0 then redis.call('HSET', KEYS[1], 'trials', trials, 'discoveries', discoveries) end
for _, old in ipairs(deprecated) do
  local revision = cjson.decode(redis.call('HGET', key('revisions', old.procedure), old.revision))
  revision.number, revision.status = old.revision + 1, 'deprecated'
  revision.cause = {kind = 'deprecated', trajectories = {trajectory}}
  redis.call('HSET', key('revisions', old.procedure), revision.number, cjson.encode(revision))
  redis.call('HSET', key('procedure', old.procedure), 'revision', revision.number, 'status', 'deprecated')
end

if not replayed then redis.call('SADD', KEYS[4], trajectory) end
if event then
  -- A build that is tried again belongs to a trajectory that was counted before.
  if not trajectory:find('^build:') then redis.call('HINCRBY', KEYS[5], 'applied', 1) end
  if redis.call('SREM', KEYS[4], 'dropped:' .. trajectory) == 1 then redis.call('HINCRBY', KEYS[5], 'dropped', -1) end
  redis.call('HINCRBY', KEYS[5], 'tokens', plan.tokens)
  for _, counter in ipairs(plan.usage) do redis.call('HINCRBY', KEYS[5], counter[1], counter[2]) end
  if index ~= '' then redis.call('HSET', KEYS[6], 'next', tonumber(index) + 1) end
  redis.call('DEL', KEYS[8])
  finish(KEYS[2], ARGV[3], ARGV[4])
end
return 'applied'
