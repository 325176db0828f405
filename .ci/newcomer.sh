# Run in the tree by .ci/newcomer: each command is printed before it runs, and must exit as
# is said.
set -u
export DEBIAN_FRONTEND=noninteractive COLUMNS=88 MANWIDTH=88 LC_ALL=C.UTF-8 PAGER=cat MAN_KEEP_FORMATTING=
cd /new
step() { # STATUS COMMAND
	echo "\$ $2"
	bash -c "$2"
	status=$?
	[ $status = "$1" ] || { echo "FAILED: exited with $status, not $1"; exit 1; }
}
holds() { # COMMAND, silent
	bash -c "$1" >/dev/null 2>&1 || { echo "FAILED: $1"; exit 1; }
}
step 0 'dpkg -i whydenied_0.1.0-rc1_linux_amd64.deb | tail -n 1'
step 0 'whydenied --version'
holds 'whydenied --version | grep -q v0.1.0-rc1'
step 0 'dpkg -i whydenied_0.1.0-rc2_linux_amd64.deb | tail -n 1'
holds 'whydenied --version | grep -q v0.1.0-rc2'
step 3 'whydenied explain audit.log --profile web.apparmor --inventory containers.json'
step 3 'whydenied patch audit.log --profile web.apparmor'
step 0 'whydenied test web.expect'
step 3 'whydenied summary audit.log --profile web.apparmor --inventory containers.json'
step 0 'man whydenied-explain 2>/dev/null | sed -n 1,12p'
holds 'man -w whydenied whydenied-explain whydenied-patch'
step 0 '. /usr/share/bash-completion/bash_completion; . /usr/share/bash-completion/completions/whydenied; COMP_WORDS=(whydenied explain --format ""); COMP_CWORD=3; COMP_LINE="whydenied explain --format "; COMP_POINT=${#COMP_LINE}; __start_whydenied; echo "${COMPREPLY[@]}"'
step 0 'kubectl-whydenied --version'
step 0 '/usr/libexec/docker/cli-plugins/docker-whydenied whydenied --version'
step 0 'whydenied check /etc/apparmor.d/whydenied-watch'
step 0 'apparmor_parser -Q -K /etc/apparmor.d/whydenied-watch 2>/dev/null && echo "apparmor_parser takes it"'
step 0 'dpkg -r whydenied 2>&1 | tail -n 1'
holds '! test -e /usr/bin/whydenied && test -e /etc/apparmor.d/whydenied-watch'
step 0 'dpkg -P whydenied 2>&1 | tail -n 1'
holds '! test -e /etc/apparmor.d/whydenied-watch && ! test -e /usr/share/man/man1/whydenied.1.gz'
step 0 'find /usr /etc -name "*whydenied*" | wc -l'
