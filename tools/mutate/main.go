// Mutate measures what the tests of a package notice. It changes the package's
// code in one small place at a time, runs the package's own tests, and prints
// the changes after which they pass: the mutants that survive.
//
//	mutate [-sample N] [-seed S] [-match REGEXP] [-j N] PACKAGE
//
// All mutants are built at once, by go test -overlay, so the tree is left as it
// is. An environment variable turns on one of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.sample, "sample", 0, "try `N` mutants, chosen at random; 0 for all")
	flag.Uint64Var(&o.seed, "seed", 1, "choose the sample by this `number`")
	flag.StringVar(&o.match, "match", "", "only mutants whose line of output matches the `regexp`")
	flag.IntVar(&o.jobs, "j", 2, "try `N` mutants at a time")
	flag.Parse()
	if flag.NArg() != 1 || o.jobs < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, flag.Arg(0), o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	sample int
	seed   uint64
	match  string
	jobs   int
}

func run(ctx context.Context, name string, o options) error {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t := tests{program: filepath.Join(dir, "mutants.test")}
	mutants, err := t.build(ctx, name, dir)
	if err != nil {
		return err
	}
	if mutants, err = chosen(mutants, o); err != nil {
		return err
	}
	begun := time.Now()
	if got, out := t.run(ctx, 0, 10*time.Minute, false); got != survived {
		return fmt.Errorf("the tests fail without a change, too:\n%s", out)
	}
	counts, err := t.runAll(ctx, mutants, 3*time.Since(begun)+10*time.Second, o.jobs)
	if all := counts[killed] + counts[survived]; all > 0 {
		fmt.Printf("%s: %d of %d mutants killed, %.1f %%\n", name, counts[killed], all, float64(counts[killed])*100/float64(all))
	}
	return err
}

// chosen returns the mutants that are to be tried.
func chosen(all []mutant, o options) ([]mutant, error) {
	wanted, err := regexp.Compile(o.match)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return !wanted.MatchString(m.what) })
	if o.sample > 0 && o.sample < len(all) {
		rng := rand.New(rand.NewPCG(o.seed, 0))
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:o.sample]
	}
	return all, nil
}

// A result is what became of a mutant.
type result int

const (
	killed   result = iota // a test failed, or took too long
	survived               // no test noticed
	invalid                // a function ended without a return: Go would not compile this
)

// tests is the program that tests a package with all its mutants.
type tests struct {
	program, dir string
	rapid        bool // the tests use pgregory.net/rapid
}

// runAll tries mutants, some at a time, and prints those that survive.
func (t tests) runAll(ctx context.Context, mutants []mutant, limit time.Duration, jobs int) (map[result]int, error) {
	counts, next := map[result]int{}, make(chan mutant)
	var mutex sync.Mutex
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			for m := range next {
				got, _ := t.run(ctx, m.id, limit, true)
				if got == survived {
					got, _ = t.run(ctx, m.id, limit, false)
				}
				mutex.Lock()
				if counts[got]++; got == survived {
					fmt.Println(m.what)
				}
				mutex.Unlock()
			}
		})
	}
	for _, m := range mutants {
		if ctx.Err() != nil {
			break
		}
		next <- m
	}
	close(next)
	workers.Wait()
	return counts, ctx.Err()
}

// run runs the tests, or in short those that are fast, with one mutant, or with
// none for 0. A mutant that never stops to ask for memory gets no more than 4 GB.
func (t tests) run(ctx context.Context, id int, limit time.Duration, short bool) (result, string) {
	args := []string{"-c", `ulimit -d 4000000; exec "$0" "$@"`, t.program, "-test.failfast", "-test.timeout", limit.String(), fmt.Sprintf("-test.short=%t", short)}
	if t.rapid {
		args = append(args, "-rapid.nofailfile") // it would be tried first from then on
	}
	cmd := exec.CommandContext(ctx, "sh", args...) //nolint:gosec // the program was built from the package
	cmd.Dir, cmd.Env = t.dir, append(os.Environ(), fmt.Sprintf("%s=%d", variable, id))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return survived, string(out)
	case !errors.As(err, &exit) || ctx.Err() != nil || strings.Contains(string(out), noReturn):
		return invalid, string(out) + err.Error()
	}
	return killed, string(out)
}
