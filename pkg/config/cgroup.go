package config

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Resources are limits of a whole vassal, or of a group of vassals, in the words of
// systemd.resource-control(5).
type Resources map[slot]amount

// slot is a limit: the name of its option, and for limits of block devices the path of one.
type slot struct{ option, device string }

// amount is the value of a limit. math.MaxUint64 is no limit.
type amount uint64

const unlimited amount = math.MaxUint64

// DefaultTasks is the limit of tasks without an option.
const DefaultTasks = 4096

// resource describes how a limit is written to a file of a cgroup (cgroup-v2).
type resource struct {
	option, file string
	parse        func(string) (amount, error)
	// text is the content of the file, and reset the content without a limit.
	text  func(amount) string
	reset string
}

// resources are all limits, in the order in which they are written.
var resources = []resource{
	{"tasks-max", "pids.max", parseTasks, plainAmount, "max"},
	{"memory-high", "memory.high", parseEnough, plainAmount, "max"},
	{"memory-max", "memory.max", parseEnough, plainAmount, "max"},
	{"memory-swap-max", "memory.swap.max", parseMemory, plainAmount, "max"},
	{"cpu-weight", "cpu.weight", parseWeight, plainAmount, "100"},
	{"cpu-quota", "cpu.max", parseQuota, quotaText, "max 100000"},
	{"io-weight", "io.weight", parseWeight, plainAmount, "100"},
	{"io-read-bandwidth-max", "io.max", parseRate, plainAmount, "max"},
	{"io-write-bandwidth-max", "io.max", parseRate, plainAmount, "max"},
}

// ioKey returns the word of an option in io.max; "" for other options.
func ioKey(name string) string {
	switch name {
	case "io-read-bandwidth-max":
		return "rbps"
	case "io-write-bandwidth-max":
		return "wbps"
	}
	return ""
}

func resourceOf(name string) *resource {
	i := slices.IndexFunc(resources, func(r resource) bool { return r.option == name })
	if i < 0 {
		return nil
	}
	return &resources[i]
}

// parseValue reads the value of a limit.
func (r *resource) parseValue(text string) (device string, n amount, err error) {
	if ioKey(r.option) == "" {
		n, err = r.parse(text)
		return "", n, err
	}
	device, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	if strings.HasPrefix(device, "/") {
		device = path.Clean(device)
	}
	if !strings.HasPrefix(device, "/") || strings.TrimSpace(rest) == "" {
		return "", 0, option.Wrong(strconv.Quote(text)+" is no device with a number of bytes", r.option+" = /dev/sda 10m")
	}
	n, err = r.parse(strings.TrimSpace(rest))
	return device, n, err
}

// limit returns the file with its content. device converts the path of a device to its numbers.
func (r *resource) limit(s slot, n amount, device func(path string) (string, error)) (namespaces.CgroupLimit, error) {
	l := namespaces.CgroupLimit{Option: r.option, File: r.file, Value: r.text(n), Reset: r.reset}
	key := ioKey(r.option)
	if key == "" {
		return l, nil
	}
	number, err := device(s.device)
	if err != nil {
		return l, err
	}
	prefix := number + " " + key + "="
	l.Value, l.Reset = prefix+l.Value, prefix+l.Reset
	return l, nil
}

// Limits returns the files of a cgroup for the limits, in the order in which they are written. Of two
// limits of one block device, which has several paths, the stricter counts.
func (r Resources) Limits(device func(path string) (string, error)) (list []namespaces.CgroupLimit, err error) {
	var amounts []amount // of list
	order := func(s slot) int {
		return slices.IndexFunc(resources, func(o resource) bool { return o.option == s.option })
	}
	for _, s := range slices.SortedFunc(maps.Keys(r), func(a, b slot) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.device, b.device))
	}) {
		l, err := resourceOf(s.option).limit(s, r[s], device)
		if err != nil {
			return nil, limitError{s.option, err}
		}
		same := slices.IndexFunc(list, func(o namespaces.CgroupLimit) bool { return o.File == l.File && o.Reset == l.Reset })
		switch {
		case same < 0:
			list, amounts = append(list, l), append(amounts, r[s])
		case r[s] < amounts[same]:
			list[same], amounts[same] = l, r[s]
		}
	}
	if limit, set := r[slot{option: memoryMax}]; set && limit != unlimited {
		list = append(list, together)
	}
	return list, nil
}

// limitError is an error about the device of a limit.
type limitError struct {
	option string
	err    error
}

func (e limitError) Error() string { return e.option + ": " + e.err.Error() }

func (e limitError) Unwrap() error { return e.err }

func plainAmount(n amount) string {
	if n == unlimited {
		return "max"
	}
	return strconv.FormatUint(uint64(n), 10)
}

// quotaText is the content of cpu.max for a share of one processor in percent: the time in
// microseconds of each period of 100 ms.
func quotaText(n amount) string {
	if n == unlimited {
		return "max 100000"
	}
	return strconv.FormatUint(uint64(n)*1000, 10) + " 100000"
}

func parseTasks(text string) (amount, error) {
	if text == infinity {
		return unlimited, nil
	}
	n, err := strconv.ParseUint(text, 10, 22) // the kernel's greatest pid
	if err != nil || n < leastTasks {
		return 0, option.Wrong(fmt.Sprintf("%q is not a number of tasks, %d or more", text, leastTasks),
			"such as 512 or infinity; the vassal and the built-in server need about 20")
	}
	return amount(n), nil
}

// leastTasks is the number without which the vassal itself cannot work.
const leastTasks = 16

// leastMemory is less than the vassal itself uses. A smaller number lacks its unit.
const leastMemory = 1 << 20

func parseEnough(text string) (amount, error) {
	n, err := parseMemory(text)
	if err == nil && n < leastMemory {
		err = option.Wrong(text+" is too little memory for the vassal itself", "such as 64m, 1g or 25%%")
	}
	return n, err
}

// parseMemory parses a number of bytes, or a share of the machine's memory in percent.
func parseMemory(text string) (amount, error) {
	if text == infinity {
		return unlimited, nil
	}
	if share, ok := strings.CutSuffix(text, "%"); ok {
		n, err := strconv.ParseUint(share, 10, 7)
		var machine unix.Sysinfo_t
		if err != nil || n > 100 || unix.Sysinfo(&machine) != nil {
			return 0, option.Wrong(strconv.Quote(text)+" is not a share of the memory", "such as 25%%")
		}
		return amount(machine.Totalram * uint64(machine.Unit) / 100 * n), nil
	}
	n, err := option.ParseSize(text)
	if err != nil || n == math.MaxInt64 {
		return 0, option.Wrong(strconv.Quote(text)+" is not a size", "bytes such as 64m or 1g, a share of the memory such as 25%%, or infinity")
	}
	return amount(n), nil
}

// parseRate parses a number of bytes a second.
func parseRate(text string) (amount, error) {
	if strings.HasSuffix(text, "%") {
		return 0, option.Wrong(strconv.Quote(text)+" is not a rate", "bytes a second such as 512k or 10m, or infinity")
	}
	n, err := parseMemory(text)
	if err == nil && n == 0 {
		err = option.Wrong("a rate of 0 stops the vassal", "bytes a second such as 512k or 10m, or infinity")
	}
	return n, err
}

func parseWeight(text string) (amount, error) {
	n, err := strconv.ParseUint(text, 10, 14)
	if err != nil || n < 1 || n > 10000 {
		return 0, option.Wrong(strconv.Quote(text)+" is not a weight", "1 to 10000; 100 is the ordinary one")
	}
	return amount(n), nil
}

func parseQuota(text string) (amount, error) {
	if text == infinity {
		return unlimited, nil
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(text, "%"), 10, 20)
	if err != nil || n < 1 {
		return 0, option.Wrong(strconv.Quote(text)+" is not a share of a processor", "percent such as 50, or 200 for two processors")
	}
	return amount(n), nil
}
