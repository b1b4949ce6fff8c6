package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Rate is a limit of bits per second in each direction, seen from the vassal.
type Rate struct{ Down, Up uint64 }

var units = []struct {
	name string
	bits uint64
}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}

// ParseRate parses DOWN/UP or one rate for both, such as 40mbit/10mbit. The units are the ones
// of tc(8): bit, kbit, mbit and gbit.
func ParseRate(text string) (r Rate, err error) {
	down, up, two := strings.Cut(text, "/")
	if r.Down, err = rate(down); err != nil {
		return Rate{}, err
	}
	r.Up = r.Down
	if two {
		r.Up, err = rate(up)
	}
	if err != nil {
		return Rate{}, err
	}
	return r, nil
}

// minRate is the slowest rate at which a full packet passes within a second.
const minRate = 16_000

func rate(text string) (uint64, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(strings.ToLower(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			break
		}
		if n*u.bits < minRate {
			return 0, fmt.Errorf("%q is too slow for a packet a second (at least 16kbit)", text)
		}
		return n * u.bits, nil
	}
	return 0, fmt.Errorf("%q is not a rate", text)
}

// Within reports whether r is at most as fast as the limit, where that has one.
func (r Rate) Within(limit Rate) bool {
	slower := func(a, b uint64) bool { return b == 0 || a != 0 && a <= b }
	return slower(r.Down, limit.Down) && slower(r.Up, limit.Up)
}

// String prints the syntax of ParseRate.
func (r Rate) String() string {
	if r.Down == r.Up {
		return rateString(r.Down)
	}
	return rateString(r.Down) + "/" + rateString(r.Up)
}

func rateString(bits uint64) string {
	i := slices.IndexFunc(units[:], func(u struct {
		name string
		bits uint64
	},
	) bool {
		return bits%u.bits == 0
	})
	return strconv.FormatUint(bits/units[i].bits, 10) + units[i].name
}
