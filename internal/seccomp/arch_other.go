//go:build !amd64

package seccomp

// column is the column of this processor in the table, and dockerArch its name in conditions. No filter is loaded on processors other than
// these two.
const (
	column     = 2
	dockerArch = "arm64"
)
