# Runs one program and ends it when whoever started us is gone, however it went: stdin is a pipe that the starter
# alone holds open, so its end is noticed even after a SIGKILL, which no signal handler of the starter's could report.
#   $1  log of the program            $2  file that gets its exit status, if it ends by itself
#   $3  folder to remove at the end   then the program and its arguments
log=$1 status=$2 folder=$3
shift 3
exec 3<&0 </dev/null
"$@" >"$log" 2>&1 3<&- &
program=$!
# SIGKILL: the data are thrown away anyway, and the API server would wait for its clients.
{ read -r _ <&3; kill -KILL "$program"; } 2>/dev/null &
watcher=$!
wait "$program"
code=$?
# Not to kill a stranger that gets the number of a program that ended by itself.
kill "$watcher" 2>/dev/null
echo "$code" >"$status.new" && mv "$status.new" "$status"
# The starter still wants to read the log: the folder stays until it lets go.
while read -r _ <&3; do :; done
case ${folder##*/} in
syncflow-control-plane-*) rm -rf "$folder" ;;
esac
