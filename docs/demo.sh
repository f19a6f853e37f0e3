#!/bin/sh
# A tour of the commands on a store of its own, which is gone afterwards. Each
# command is printed before its output. Run it with `make demo`.
set -eu

site=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/confctl-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work"

say() { printf '\n# %s\n' "$1"; }

# run prints a command as a person would type it, and runs it. A command that is
# meant to be refused says so in its exit code.
run() {
	printf '$ %s\n' "$1"
	code=0
	sh -c "$1" 2>&1 || code=$?
	[ "$code" -eq 0 ] || printf '(exit code %s)\n' "$code"
	[ "$code" -eq "${2:-0}" ] || { echo "the demo expected exit code ${2:-0}" >&2; exit 1; }
}

# Every confctl below is the real one, with the configuration of this tour.
real=$(command -v confctl)
mkdir bin
printf '#!/bin/sh\nexec "%s" --config "%s" "$@"\n' "$real" "$work/config.yaml" >bin/confctl
chmod +x bin/confctl
PATH="$work/bin:$PATH"
unset NO_COLOR CONFCTL_OUTPUT CONFCTL_EDITOR VISUAL || true
"$real" init --driver local --dir "$work" >/dev/null
cp -R "$site/conftool-data" "$site/schemas/." .

say 'What kinds of objects are there, and which of them should exist?'
run 'confctl types'
run 'confctl lint --directory conftool-data'
run 'confctl sync --directory conftool-data 2>&1 | tail -n 1'
run 'confctl sync --directory conftool-data'

say 'A bad change is refused in CI, before it is merged; drift finds what is not as declared.'
run "echo 'search: north' >conftool-data/discovery/more.yaml"
run 'confctl lint --directory conftool-data' 7
run "echo 'maps: [north]' >conftool-data/discovery/more.yaml"
run 'confctl drift --directory conftool-data' 1
run 'confctl sync --directory conftool-data'

say 'Put the edge of one datacenter into service, and look at it.'
run 'confctl --yes select dc=north,cluster=edge set/pooled=yes:weight=10 | tail -n 2'
run 'confctl select dc=north,cluster=edge,service=cdn get'
run 'confctl -o table select dc=north,cluster=edge,service=cdn get'

say 'Take a host out for work on it, all of its services at once.'
run 'confctl depool --hostname cp1001.north.example.net'

say 'The next one would be one too many. The refusal says who is out, and how to go on.'
run 'confctl depool --hostname cp1002.north.example.net --task T123' 0
run 'confctl depool --hostname cp1003.north.example.net' 3
run 'confctl pools dc=north,cluster=edge'

say 'What was done last was refused, so there is nothing of it to undo. The change before it is named.'
run 'confctl undo last' 4
run "echo y | confctl undo $(confctl log -n 2 | tail -n 1 | sed 's/.* //')"

say 'Mistakes are refused, with what is wrong and what would be right.'
run 'confctl select name=cp1001 set/pooled=yes' 4
run 'confctl select clutser=edge set/pooled=no' 2
run 'confctl select name=cp1001.north.example.net set/pooled=maybe' 7

say 'More than one object: shown, and asked.'
run 'echo n | confctl select dc=north,cluster=edge,service=cdn set/weight=20' 8

say 'Values are typed by their JSON schema: this false is no string.'
run 'confctl --object-type mwconfig select scope=north,name=ReadOnly set/val=False'
run 'confctl --object-type mwconfig select scope=north,name=ReadOnly get'

say 'Edit an object as YAML. The editor here is a script; yours is $EDITOR.'
export EDITOR="sed -i.bak -e 's/ttl: 300/ttl: 60/' -e 's/pooled: false/pooled: true/'"
run 'confctl --object-type discovery select dnsdisc=wiki-ro,name=north edit'
run 'confctl --object-type discovery select dnsdisc=wiki-ro get'

say 'Programs follow every change; this one ends with its reader.'
run 'confctl --object-type mwconfig select scope=north watch | head -n 2'

say 'Readers of etcd v2 go on, and can be asked whether they are late. This one is a file that is.'
printf '$ confctl serve --gateway 127.0.0.1:0 &\n'
confctl serve --gateway 127.0.0.1:0 2>serve.log &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10; do
	if grep 'listens on' serve.log; then break; fi
	sleep 0.3
done
at=$(sed -n 's/.*gateway listens on //p' serve.log)
if command -v curl >/dev/null; then
	run "curl -s http://$at/v2/keys/conftool/v1/mediawiki-config/north/ReadOnly"
fi
run 'echo "index: 8192" >rendered.txt'
run 'confctl check readers --object-type mwconfig "file://$PWD/rendered.txt"' 0

say 'Every change is in the journal, written in the same commit as the change.'
run 'confctl log -n 3'
