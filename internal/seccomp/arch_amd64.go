package seccomp

// column is the column of this processor in the table, and dockerArch its name in conditions.
const (
	column     = 1
	dockerArch = "amd64"
)
