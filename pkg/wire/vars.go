package wire

import (
	"encoding/binary"
	"fmt"
)

// ParseVars reads the variables of one packet of the uwsgi protocol: a header of four bytes,
// whose middle two are the size in little endian, then keys and values in turn, each after its
// size. When a key occurs twice, the last value wins.
func ParseVars(packet []byte) (map[string]string, error) {
	if len(packet) < 4 || int(binary.LittleEndian.Uint16(packet[1:])) != len(packet)-4 {
		return nil, fmt.Errorf("%w: no packet of the uwsgi protocol", ErrGarbage)
	}
	vars := map[string]string{}
	for rest := packet[4:]; len(rest) > 0; {
		var word [2]string
		for i := range word {
			if len(rest) < 2 || int(binary.LittleEndian.Uint16(rest)) > len(rest)-2 {
				return nil, fmt.Errorf("%w: a variable is cut off", ErrGarbage)
			}
			n := int(binary.LittleEndian.Uint16(rest))
			word[i], rest = string(rest[2:2+n]), rest[2+n:]
		}
		vars[word[0]] = word[1]
	}
	return vars, nil
}
