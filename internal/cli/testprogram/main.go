// Command testprogram is confctl for the tests of package cli: it takes the
// configuration from the environment, so that no test depends on what the machine has
// in /etc.
package main

import (
	"os"
	"slices"

	"github.com/conftool/confctl/internal/cli"
)

func main() {
	args := os.Args
	if file := os.Getenv("CONFCTL_TEST_CONFIG"); file != "" {
		args = slices.Insert(slices.Clone(args), 1, "--config", file)
	}
	os.Exit(cli.Main(args))
}
