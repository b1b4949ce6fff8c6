package seccomp

import (
	"errors"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// test is a condition about an argument. value and other are of 64 bits.
type test struct {
	index        uint32
	op           string
	value, other uint64
}

// operators are the words of OCI.
var operators = map[string]bool{
	"SCMP_CMP_NE": true, "SCMP_CMP_LT": true, "SCMP_CMP_LE": true, "SCMP_CMP_EQ": true, "SCMP_CMP_GE": true, "SCMP_CMP_GT": true, "SCMP_CMP_MASKED_EQ": true,
}

func (p *profile) tests(n *node) (tests []test) {
	if n.kind == null {
		return nil
	}
	if n.kind != list {
		p.wrong(n.line, "args", "it is "+n.kind+" and not a list", "")
	}
	for _, e := range n.elements {
		var t test
		value := func(key string, into *uint64) func(*node) {
			return func(n *node) {
				v, ok := n.unsigned()
				if !ok {
					p.wrong(n.line, key, "it is no number of 64 bits", "")
				}
				*into = v
			}
		}
		var index uint64
		p.fields(e, "args", map[string]func(*node){
			"index": value("index", &index), "value": value("value", &t.value), "valueTwo": value("valueTwo", &t.other),
			"op": func(n *node) {
				if t.op = n.string(); !operators[t.op] {
					p.wrong(n.line, "op", "unknown comparison "+t.op, hint(t.op, operators))
				}
			},
		})
		switch {
		case index > 5:
			p.wrong(e.line, "index", "a system call has 6 arguments", "0 to 5")
		case t.op == "" && e.kind == object:
			p.wrong(e.line, "op", "it is missing", "such as SCMP_CMP_EQ")
		}
		t.index = uint32(index)
		tests = append(tests, t)
	}
	return tests
}

// most is the number of instructions that the kernel accepts (BPF_MAXINSNS).
const most = 4096

// program assembles the rules. The first rule that applies decides; tests of one argument in one rule are alternatives, as in runc.
func (p *profile) program() ([]unix.SockFilter, error) {
	numbers := slices.Sorted(maps.Keys(p.rules))
	var spans []span
	next := uint32(0)
	for _, n := range numbers {
		if n > next {
			spans = appendSpan(spans, span{next, []unix.SockFilter{end(p.usual)}})
		}
		spans = appendSpan(spans, span{n, p.leaf(p.rules[n])})
		next = n + 1
	}
	spans = appendSpan(spans, span{next, []unix.SockFilter{end(p.usual)}})
	code := append([]unix.SockFilter{load(numberAt)}, tree(spans)...)
	if len(code) > most {
		return nil, errors.New("the profile is too long for the kernel")
	}
	return code, nil
}

// span is the code for the system calls from a number on, to the next span.
type span struct {
	from uint32
	code []unix.SockFilter
}

func appendSpan(spans []span, s span) []span {
	if last := len(spans) - 1; last >= 0 && slices.Equal(spans[last].code, s.code) {
		return spans
	}
	return append(spans, s)
}

// tree finds the span of a number.
func tree(spans []span) []unix.SockFilter {
	if len(spans) == 1 {
		return spans[0].code
	}
	half := len(spans) / 2
	low, high := tree(spans[:half]), tree(spans[half:])
	code := []unix.SockFilter{
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: spans[half].from, Jf: 1},
		jump(len(low)),
	}
	return append(append(code, low...), high...)
}

// Offsets in struct seccomp_data of seccomp(2).
const (
	numberAt = 0
	firstArg = 16
)

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func end(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

func jump(over int) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(over)}
}

// leaf is the code for one system call.
func (p *profile) leaf(rules []rule) (code []unix.SockFilter) {
	for _, r := range rules {
		for _, all := range alternatives(r.tests) {
			if len(all) == 0 {
				return append(code, end(r.action))
			}
			code = append(code, all.unless(r.action)...)
		}
	}
	return append(code, end(p.usual))
}

// together are tests that must all hold.
type together []test

// alternatives returns the tests of a rule: together, or each by itself when two are about one argument.
func alternatives(tests []test) (list []together) {
	seen := map[uint32]bool{}
	twice := false
	for _, t := range tests {
		twice = twice || seen[t.index]
		seen[t.index] = true
	}
	if !twice {
		return []together{tests}
	}
	for _, t := range tests {
		list = append(list, together{t})
	}
	return list
}

// unless is code that returns the action when all tests hold, and goes on behind it otherwise.
func (all together) unless(action uint32) (code []unix.SockFilter) {
	code = []unix.SockFilter{end(action)}
	for _, t := range slices.Backward(all) {
		code = append(t.code(len(code)), code...)
	}
	return code
}

// code goes on when the test holds, and skips the next instructions otherwise. The upper half of an argument is compared first.
func (t test) code(skip int) []unix.SockFilter {
	at := firstArg + 8*t.index
	value, mask := t.value, uint64(1<<64-1)
	if t.op == "SCMP_CMP_MASKED_EQ" {
		value, mask = t.other, t.value
	}
	high, low := uint32(value>>32), uint32(value)
	op := func(kind uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | kind | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	no := jump(skip)
	switch t.op {
	case "SCMP_CMP_EQ":
		return []unix.SockFilter{load(at + 4), op(unix.BPF_JEQ, high, 0, 2), load(at), op(unix.BPF_JEQ, low, 1, 0), no}
	case "SCMP_CMP_MASKED_EQ":
		and := func(k uint64) unix.SockFilter {
			return unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: uint32(k)}
		}
		return []unix.SockFilter{load(at + 4), and(mask >> 32), op(unix.BPF_JEQ, high, 0, 3), load(at), and(mask), op(unix.BPF_JEQ, low, 1, 0), no}
	case "SCMP_CMP_NE":
		return []unix.SockFilter{load(at + 4), op(unix.BPF_JEQ, high, 0, 3), load(at), op(unix.BPF_JEQ, low, 0, 1), no}
	case "SCMP_CMP_GT", "SCMP_CMP_GE":
		kind := uint16(unix.BPF_JGT)
		if t.op == "SCMP_CMP_GE" {
			kind = unix.BPF_JGE
		}
		return []unix.SockFilter{load(at + 4), op(unix.BPF_JGT, high, 4, 0), op(unix.BPF_JEQ, high, 0, 2), load(at), op(kind, low, 1, 0), no}
	}
	kind := uint16(unix.BPF_JGE) // of the opposite
	if t.op == "SCMP_CMP_LE" {
		kind = unix.BPF_JGT
	}
	return []unix.SockFilter{load(at + 4), op(unix.BPF_JGT, high, 3, 0), op(unix.BPF_JEQ, high, 0, 3), load(at), op(kind, low, 0, 1), no}
}
