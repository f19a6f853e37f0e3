// Confctl changes the live state of a fleet: which hosts are pooled and with
// what weight, which datacenter is master, whether the site is read-only.
package main

import (
	"os"

	"github.com/conftool/confctl/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args)) }
