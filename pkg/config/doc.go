// Package config defines the options of both programs. A Loader reads a configuration: package
// dialect returns the ordered list of options, tables decode it, and the results are plain typed
// structs. Checks find mistakes that no single option shows.
package config
