package cli

import (
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/sal"
)

// globals are the options that are given before or after a command, and the state
// of the run that depends on them.
type globals struct {
	words      []string // the command line, beginning with confctl
	wrapper    bool     // the program was called by the name of a wrapper script
	config     string   // configuration file; empty for the default ones
	schema     string   // schema file; empty for the default one
	objectType string
	output     string
	yaml       bool
	oneHost    bool
	yes        bool
	repair     bool
	quiet      bool
	debug      bool
	required   []string // settings that the command requires
	undoes     bool     // the command undoes changes
	terms      termOptions
	identified sync.Once
	user       sal.User // the user that makes a change; see whoami
	exposures  sync.Once
}

// newRoot returns the root command with all commands. The words are the arguments
// after the program's name, and called is that name. The journal records the name
// confctl in any case.
func newRoot(std term.Streams, words []string, called string) *cobra.Command {
	_, wrapper := poolVerbs()[called]
	g := &globals{words: append([]string{"confctl"}, words...), wrapper: wrapper}
	var offers strings.Builder // the completions, until offered has filtered them
	root := &cobra.Command{
		Use:   "confctl",
		Short: "Change the live state of a fleet, safely",
		Long: `confctl changes the live state of a fleet: which hosts are pooled and with what
weight, which datacenter is master, whether the site is read-only.

A change is planned, shown, judged by safety rules, committed whole with its
record, announced, and can be undone.`,
		Example: `  confctl select dc=north,cluster=web get
  confctl select name=web1001.example.net,service=https set/pooled=no
  confctl depool --hostname web1001.example.net
  confctl --object-type mwconfig select name=ReadOnly edit
  confctl undo last`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownVerb,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Name() == cobra.ShellCompRequestCmd {
				root := cmd.Root()
				root.SetOut(&offers)
				root.SetErr(io.Discard)
				return nil
			}
			if err := checkOptions(cmd, words); err != nil {
				return err
			}
			if cmd.Annotations[changing] == "" {
				return nil
			}
			go g.whoami() // may be slow
			return g.checkTerms(std, cmd)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPostRunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Name() == cobra.ShellCompRequestCmd {
				return std.Print("%s", offered(offers.String(), args[len(args)-1]))
			}
			return nil
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.CompletionOptions.DisableDefaultCmd = true // see newCompletion
	root.SetIn(std.In)
	root.SetErr(std.Err)
	root.SetUsageFunc(writeUsage)
	root.AddGroup(commandGroups()...)
	root.SetVersionTemplate("confctl {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if wrong := unknownVerb(root, verbOf(root, words)); cmd == root && wrong != nil {
			return wrong // the unknown command is the actual mistake
		}
		return wrongOption(cmd, err)
	})
	g.addTo(root)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			if c.Annotations[changing] != "" {
				g.addTerms(c)
			}
		}
		root.AddCommand(commands...)
	}
	add(groupChange,
		newSelect(std, g),
		newTags(std, g),
		newPoolVerb(std, g, "pool"),
		newPoolVerb(std, g, "depool"),
		newPoolVerb(std, g, "drain"),
		newPoolVerb(std, g, "decommission"),
		newUndo(std, g),
	)
	add(groupLook, newPools(std, g), newTypes(std, g), newLog(std, g))
	add(groupCheck, newCheck(std, g), newLint(std, g), newDrift(std, g), newStore(std, g))
	add(groupData, newSync(std, g), newExport(std, g), newImport(std, g))
	add(groupService, newInit(std), newServe(std, g), newCompletion(std), newVersion(std))
	setVersion(root)
	return root
}

// setVersion enables --version for cmd and all commands below it. The parser then
// prints the version without requiring the arguments of the command.
func setVersion(cmd *cobra.Command) {
	cmd.Version = programVersion()
	for _, sub := range cmd.Commands() {
		setVersion(sub)
	}
}

// addTo adds the options of every command to the root command.
func (g *globals) addTo(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&g.config, "config", "", "configuration `FILE` (default /etc/conftool/config.yaml)")
	f.StringVar(&g.schema, "schema", "", "schema `FILE` (default schema.yaml beside the configuration)")
	f.StringVar(&g.objectType, "object-type", "node", "`TYPE` of the objects; confctl types lists them")
	f.StringVarP(&g.output, "output", "o", "", "`FORMAT` of the output; of get: json, yaml, table or name")
	f.BoolVar(&g.yaml, "yaml", false, "the same as -o yaml")
	f.BoolVar(&g.oneHost, "host", false, "do not ask if all objects have the same name")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "do not announce the change; it is in the journal all the same")
	f.BoolVar(&g.debug, "debug", false, "show the requests to the store on standard error")
	f.BoolP("version", "V", false, "print the version")
	for _, name := range []string{"host", "quiet"} {
		must(f.SetAnnotation(name, changing, nil))
	}
	must(root.RegisterFlagCompletionFunc("object-type", completer{g}.completeType))
	must(root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp)))
}
