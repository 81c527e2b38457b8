-- A mixed script: errors through many levels, coroutines, metatables, closures,
-- strings and tables. Every part prints a line or a few; what depends on the
-- order of hash tables is sorted, and floats come from + - * / alone.

local scale = tonumber(arg[1]) or 10

local function part(name, ...)
    local words = {}
    for i = 1, select("#", ...) do
        words[i] = tostring((select(i, ...)))
    end
    print(name .. ": " .. table.concat(words, " "))
end

-- Errors: of every type, from every depth, caught, passed on, with handlers.
do
    local function fail(depth, what)
        if depth == 0 then
            error(what, 0)
        end
        fail(depth - 1, what)
        return depth
    end
    local shown = {}
    for depth, what in ipairs({ "text", 42, { code = 7 }, true, 2.5 }) do
        local fine, caught = pcall(fail, depth * 20, what)
        shown[#shown + 1] = tostring(fine) .. "/" .. type(caught) .. "/" .. tostring(rawequal(caught, what))
    end
    part("errors", table.unpack(shown))
    part("levels", select(2, pcall(error, "none")), select(2, pcall(function() error("here") end)),
        select(2, pcall(function() error("above", 2) end)))
    part("runtime", select(2, pcall(function() local t; return t.x end)))
    part("runtime", select(2, pcall(function() return 1 + {} end)))
    part("runtime", select(2, pcall(function() return #5 end)))
    part("runtime", select(2, pcall(function() return {} < {} end)))
    part("runtime", select(2, pcall(function() return 1 // 0 end)))
    part("runtime", select(2, pcall(string.rep, "x", -1)), select(2, pcall(string.rep)))
    part("handler", xpcall(fail, function(what) return "<" .. what .. ">" end, 30, "deep"))
    part("in handler", xpcall(fail, function(what) return select(2, pcall(error, what .. "!", 0)) end, 3, "twice"))
end

-- Protected calls inside of protected calls, and what closes on the way.
do
    local order = {}
    local function closing(name)
        return setmetatable({}, { __close = function(_, why) order[#order + 1] = name .. (why and "!" or "") end })
    end
    local function nest(depth)
        local guard <close> = closing("g" .. depth)
        if depth == 0 then
            error({ at = depth })
        end
        local fine, caught = pcall(nest, depth - 1)
        if not fine then
            caught.at = caught.at + depth
            if depth < 6 then
                error(caught)
            end
        end
        return caught.at
    end
    part("closed", nest(6), table.concat(order, ","))
    local function down(n)
        local fine, result = pcall(down, n + 1)
        return fine and result or n
    end
    part("C levels", down(0) > 100)
    local function forever(n) return 1 + forever(n + 1) end
    local fine, message = pcall(forever, 0)
    part("overflow", fine, message:match("stack overflow"))
    local fine, message = pcall(string.gsub, string.rep("a", 10), "a", function(c) return forever(1) end)
    part("overflow in gsub", fine, message:match("stack overflow"))
end

-- Coroutines: generators, pipelines, errors, and yields across protected calls.
do
    local function range(from, to)
        return coroutine.wrap(function()
            for i = from, to do coroutine.yield(i) end
        end)
    end
    local function filter(source, wanted)
        return coroutine.wrap(function()
            for value in source do
                if wanted(value) then coroutine.yield(value) end
            end
        end)
    end
    local function primes(limit)
        return coroutine.wrap(function()
            local source = range(2, limit)
            while true do
                local prime = source()
                if not prime then return end
                coroutine.yield(prime)
                source = filter(source, function(n) return n % prime ~= 0 end)
            end
        end)
    end
    local count, sum = 0, 0
    for prime in primes(50 * scale) do count, sum = count + 1, sum + prime end
    part("primes", count, sum)

    local across = coroutine.create(function(first)
        local fine, caught = pcall(function()
            local second = coroutine.yield(first + 1)
            local fine, inner = pcall(function() error({ coroutine.yield(second * 2) }) end)
            error("got " .. inner[1] .. " " .. inner[2], 0)
        end)
        return fine, caught, coroutine.yield("after")
    end)
    part("across", coroutine.resume(across, 1))
    part("across", coroutine.resume(across, 21))
    part("across", coroutine.resume(across, "a", "b"))
    part("across", coroutine.resume(across, "end"))
    part("across", coroutine.status(across), coroutine.resume(across))

    local broken = coroutine.create(function() local t <close> = setmetatable({}, { __close = function() error("closing", 0) end }) coroutine.yield() end)
    coroutine.resume(broken)
    part("close", coroutine.close(broken))
    local wrapped = coroutine.wrap(function() error({ "thrown" }) end)
    part("wrap", pcall(wrapped) == false, select(2, pcall(wrapped)))

    local permutations = {}
    local function permute(items, n)
        if n == 0 then coroutine.yield(table.concat(items)) end
        for i = 1, n do
            items[i], items[n] = items[n], items[i]
            permute(items, n - 1)
            items[i], items[n] = items[n], items[i]
        end
    end
    for text in coroutine.wrap(function() permute({ "a", "b", "c", "d" }, 4) end) do
        permutations[#permutations + 1] = text
    end
    table.sort(permutations)
    part("permutations", #permutations, permutations[1], permutations[24])
end

-- Metatables: classes, operators, missing fields, calls, proxies.
do
    local Vector = {}
    Vector.__index = Vector
    local function vector(x, y) return setmetatable({ x = x, y = y }, Vector) end
    Vector.__add = function(a, b) return vector(a.x + b.x, a.y + b.y) end
    Vector.__mul = function(a, b)
        if type(a) == "number" then return vector(a * b.x, a * b.y) end
        if type(b) == "number" then return vector(a.x * b, a.y * b) end
        return a.x * b.x + a.y * b.y
    end
    Vector.__unm = function(a) return vector(-a.x, -a.y) end
    Vector.__eq = function(a, b) return a.x == b.x and a.y == b.y end
    Vector.__lt = function(a, b) return a * a < b * b end
    Vector.__le = function(a, b) return a * a <= b * b end
    Vector.__tostring = function(a) return "(" .. a.x .. "," .. a.y .. ")" end
    Vector.__concat = function(a, b) return tostring(a) .. tostring(b) end
    Vector.__call = function(a, scale) return a * scale end
    Vector.__len = function(a) return a.x * a.x + a.y * a.y end
    local a, b = vector(3, 4), vector(-1, 2)
    part("vectors", a + b, a * b, 2 * a, -a, a == vector(3, 4), a < b, a <= a, a .. b, a(10), #a)

    local Shape = setmetatable({}, { __call = function(class, ...) return class.new(...) end })
    Shape.__index = Shape
    function Shape.new(name) return setmetatable({ name = name }, Shape) end
    function Shape:area() error(self.name .. " has no area", 2) end
    local Square = setmetatable({}, { __index = Shape, __call = function(class, side)
        local self = Shape.new("square")
        self.side = side
        return setmetatable(self, class)
    end })
    Square.__index = Square
    function Square:area() return self.side * self.side end
    part("classes", Square(5):area(), Square(2).name, pcall(Shape("blob").area, Shape("blob")))

    local log = {}
    local proxy = setmetatable({}, {
        __index = function(_, key) log[#log + 1] = "get " .. key; return key .. "?" end,
        __newindex = function(t, key, value)
            log[#log + 1] = "set " .. key
            if value == nil then error("nothing for " .. key, 2) end
            rawset(t, key, value)
        end,
        __pairs = function(t) return function(_, k) if not k then return 1, "only" end end, t, nil end,
    })
    proxy.a = 1
    local seen = proxy.a .. proxy.b
    local fine, message = pcall(function() proxy.c = nil end)
    for key, value in pairs(proxy) do seen = seen .. key .. value end
    part("proxy", seen, table.concat(log, ","), message)

    local collected = 0
    for _ = 1, 100 do setmetatable({}, { __gc = function() collected = collected + 1 end }) end
    local weak = setmetatable({}, { __mode = "k" })
    for _ = 1, 50 do weak[{}] = true end
    collectgarbage()
    collectgarbage()
    part("collected", collected >= 99, next(weak) == nil)
end

-- Strings.
do
    local text = ("The quick brown fox jumps over the lazy dog. "):rep(3)
    local counts = {}
    for word in text:gmatch("%a+") do
        local key = word:lower()
        counts[key] = (counts[key] or 0) + 1
    end
    local words = {}
    for word, count in pairs(counts) do words[#words + 1] = word .. "=" .. count end
    table.sort(words)
    part("words", table.concat(words, " "))
    part("gsub", ("hello world"):gsub("(%w+) (%w+)", "%2 %1"), ("abc"):gsub("%w", "%0%0"), ("$name is $age"):gsub("%$(%w+)", { name = "x", age = 3 }))
    part("find", ("a.b.c"):find(".", 3, true), ("key = value"):match("^(%w+)%s*=%s*(%w+)$"), ("[[x]]"):find("%b[]"), ("THE (quick) fox"):find("%((%a+)%)"))
    part("format", ("%5d|%-5s|%05.1f|%x|%q|%g|%i"):format(42, "ab", 3.14159, 255, 'a "quote"\n', 1e20, -7))
    part("numbers", 7 // 2, -7 // 2, 7 % -3, 7.5 // 2, 1 / 3, 2 ^ 10, 10 / 2, 3 | 8, ~5, 1 << 62, math.maxinteger + 1 == math.mininteger, 1e15, 0x10p2)
    part("convert", tonumber("0x1p4"), tonumber("  12  "), tonumber("zz", 36), tonumber("9e"), math.tointeger(3.0), math.type(1), math.type(1.0), "10" + 5, "3" * "4")
    part("pack", string.unpack("<i4 >I2 z s1", string.pack("<i4 >I2 z s1", -5, 513, "zero", "len")), #string.pack("d", 1.5))
    part("utf8", utf8.len("häßlich 🦀"), utf8.char(228, 8364, 129408), utf8.codepoint("€", 1), pcall(utf8.codepoint, "\xff"))
    part("bytes", ("Lua"):byte(1, -1), ("x"):rep(3, "-"), ("abc"):reverse(), ("  trim "):match("^%s*(.-)%s*$"))
end

-- Tables: sorting with comparisons that may throw, moving, removing.
do
    math.randomseed(42)
    local numbers = {}
    for i = 1, 100 * scale do numbers[i] = math.random(1, 1000000) end
    table.sort(numbers)
    local ordered = true
    for i = 2, #numbers do ordered = ordered and numbers[i - 1] <= numbers[i] end
    part("sorted", #numbers, ordered, numbers[1], numbers[#numbers])
    table.sort(numbers, function(a, b) return a > b end)
    part("down", numbers[1] >= numbers[2], numbers[#numbers])
    part("throws", pcall(table.sort, numbers, function(a, b) if a == numbers[10] then error("no more", 0) end return a < b end))
    part("mixed", pcall(table.sort, { 3, "x", 1 }))
    local list = table.pack(table.unpack({ 1, 2, 3, nil, 5 }, 1, 5))
    part("lists", list.n, #table.move({ 1, 2, 3 }, 1, 3, 2), table.remove({ 7, 8, 9 }, 1), table.concat({ 1, 2.5, "x" }, "-"))
end

-- A reader and a writer of JSON; errors tell where.
local Json = {}
do
    local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" }
    function Json.write(value)
        local kind = type(value)
        if kind == "string" then return '"' .. value:gsub('["\\\n\t]', escapes) .. '"' end
        if kind == "number" or kind == "boolean" then return tostring(value) end
        if kind ~= "table" then error("cannot write a " .. kind) end
        local parts = {}
        if #value > 0 or next(value) == nil then
            for i, item in ipairs(value) do parts[i] = Json.write(item) end
            return "[" .. table.concat(parts, ",") .. "]"
        end
        for key in pairs(value) do parts[#parts + 1] = key end
        table.sort(parts)
        for i, key in ipairs(parts) do parts[i] = Json.write(key) .. ":" .. Json.write(value[key]) end
        return "{" .. table.concat(parts, ",") .. "}"
    end
    function Json.read(text)
        local at = 1
        local function fail(what) error({ at = at, what = what }) end
        local function skip() at = text:find("%S", at) or #text + 1 end
        local value
        local function list(close, item)
            local result = {}
            at = at + 1
            skip()
            if text:sub(at, at) == close then at = at + 1; return result end
            while true do
                item(result)
                skip()
                local char = text:sub(at, at)
                at = at + 1
                if char == close then return result end
                if char ~= "," then at = at - 1; fail("expected , or " .. close) end
            end
        end
        local function quoted()
            local out = {}
            at = at + 1
            while true do
                local char = text:sub(at, at)
                if char == "" then fail("string without end") end
                if char == '"' then at = at + 1; return table.concat(out) end
                if char == "\\" then
                    at = at + 1
                    char = ({ n = "\n", t = "\t" })[text:sub(at, at)] or text:sub(at, at)
                end
                out[#out + 1] = char
                at = at + 1
            end
        end
        function value()
            skip()
            local char = text:sub(at, at)
            if char == "[" then return list("]", function(result) result[#result + 1] = value() end) end
            if char == "{" then
                return list("}", function(result)
                    skip()
                    if text:sub(at, at) ~= '"' then fail("expected a key") end
                    local key = quoted()
                    skip()
                    if text:sub(at, at) ~= ":" then fail("expected :") end
                    at = at + 1
                    result[key] = value()
                end)
            end
            if char == '"' then return quoted() end
            local word = text:match("^[%w.+-]+", at) or fail("unexpected " .. (char == "" and "end" or char))
            local result = tonumber(word)
            if result == nil then result = ({ ["true"] = true, ["false"] = false })[word] end
            if result == nil then fail("unknown " .. word) end
            at = at + #word
            return result
        end
        return value()
    end
    local sample = '{"name":"a \\"b\\"","list":[1,2.5,-3,true,[],{}],"nested":{"deep":[[[["x"]]]]}}'
    part("json", Json.write(Json.read(sample)))
    for _, wrong in ipairs({ "[1,2", '{"a" 1}', '{a:1}', "nope", '"open', "[1,,2]" }) do
        local fine, caught = pcall(Json.read, wrong)
        part("wrong", fine, caught.at, caught.what)
    end
    part("unwritable", pcall(Json.write, { 1, print }))
    local big = {}
    for i = 1, 20 * scale do big[i] = { id = i, text = ("item %d"):format(i), tags = { "a", "b", i % 7 } } end
    local text = Json.write(big)
    local round = Json.write(Json.read(text))
    part("round trip", #text, round == text)
end

-- Loads chunks as text, some of which do not compile.
do
    local make = load("local a, b = ... return function(x) return a * x + b end")
    part("load", make(3, 4)(5), select(2, load("x = = 1")), select(2, load("for", "=chunk")), select(2, load("goto nowhere", "=chunk")))
    local environment = { result = 0 }
    load("for i = 1, 10 do result = result + i end", "sum", "t", environment)()
    part("environment", environment.result, result)
    local source = {}
    for i = 1, 30 * scale do source[#source + 1] = ("t[%d] = function() return %d end"):format(i, i * i) end
    local t = {}
    load(table.concat(source, "\n"), "generated", "t", { t = t })()
    part("generated", #t, t[#t]())
end

-- Work: queens, a sieve, matrices, closures, a hash over what many errors carry.
do
    local function queens(size)
        local rows, solutions = {}, 0
        local function place(column)
            if column > size then solutions = solutions + 1; return end
            for row = 1, size do
                local free = true
                for other = 1, column - 1 do
                    local apart = rows[other] - row
                    if apart == 0 or apart == column - other or apart == other - column then free = false; break end
                end
                if free then rows[column] = row; place(column + 1) end
            end
        end
        place(1)
        return solutions
    end
    part("queens", queens(6), queens(7), queens(8))

    local limit, composite, found = 1000 * scale, {}, 0
    for n = 2, limit do
        if not composite[n] then
            found = found + 1
            for multiple = n * n, limit, n do composite[multiple] = true end
        end
    end
    part("sieve", found)

    local function matrix(n, value)
        local rows = {}
        for i = 1, n do
            rows[i] = {}
            for j = 1, n do rows[i][j] = value(i, j) end
        end
        return rows
    end
    local n = 4 * scale
    local a, b = matrix(n, function(i, j) return i + j / 2 end), matrix(n, function(i, j) return (i - j) / 4 end)
    local product = matrix(n, function(i, j)
        local sum = 0.0
        for k = 1, n do sum = sum + a[i][k] * b[k][j] end
        return sum
    end)
    part("matrix", product[1][1], product[n][1], product[n][n])

    local hash = 0
    for round = 1, 500 * scale do
        local fine, caught = pcall(function(depth)
            local function inner(depth)
                if depth == 0 then error(round, 0) end
                return inner(depth - 1) + 1
            end
            return inner(depth)
        end, round % 10)
        hash = (hash * 31 + caught) & 0xffffffff
    end
    part("caught", hash)
end
