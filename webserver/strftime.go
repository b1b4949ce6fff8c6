package webserver

import (
	"strconv"
	"time"
)

// strftimes are the conversions of strftime(3) that time.Format supports.
var strftimes = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'd': "02", 'e': "_2", 'H': "15", 'I': "03", 'j': "002", 'm': "01",
	'M': "04", 'p': "PM", 'S': "05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST", 'c': time.ANSIC, 'D': "01/02/06", 'F': "2006-01-02",
	'R': "15:04", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'r': "03:04:05 PM",
}

// strftime appends the time in a format of strftime(3), in the C locale. Unknown conversions
// stay unchanged.
func strftime(b []byte, format string, t time.Time) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i == len(format)-1 {
			b = append(b, format[i])
			continue
		}
		i++
		if layout, ok := strftimes[format[i]]; ok {
			b = t.AppendFormat(b, layout)
			continue
		}
		switch format[i] {
		case '%':
			b = append(b, '%')
		case 'n':
			b = append(b, ' ')
		case 't':
			b = append(b, '\t')
		case 's':
			b = strconv.AppendInt(b, t.Unix(), 10)
		case 'u':
			b = strconv.AppendInt(b, int64((t.Weekday()+6)%7+1), 10)
		case 'w':
			b = strconv.AppendInt(b, int64(t.Weekday()), 10)
		default:
			b = append(b, '%', format[i])
		}
	}
	return b
}
