using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Archiving;

/// <summary>
/// A remote host for rsync that is this machine: a transport that does what ssh does with its words (drops the host, joins the rest with blanks and
/// gives that to a shell), and an rsync that uses it.
/// </summary>
internal sealed class FakeRemoteHost : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public FakeRemoteHost(string? refusal = null)
    {
        var last = refusal is null ? "exec /bin/sh -c \"$*\"" : $"echo '{refusal}' >&2; exit 255";
        WriteScript("ssh", $"""
            user=
            if [ "$1" = -l ]; then user="$2@"; shift 2; fi
            echo "$user$1" >> '{_directory.Path}/hosts'
            shift
            {last}
            """);
        WriteScript("rsync", $"""
            echo "rsync $*" >> '{_directory.Path}/calls'
            exec /usr/bin/rsync -e '{_directory.Path}/ssh' "$@"
            """);
    }

    /// <summary>The transport alone.</summary>
    public string Shell => _directory.Combine("ssh");

    public string Rsync => _directory.Combine("rsync");

    public string[] Hosts => File.ReadAllLines(_directory.Combine("hosts"));

    public string[] Calls => File.ReadAllLines(_directory.Combine("calls"));

    public void Dispose() => _directory.Dispose();

    private void WriteScript(string name, string lines) => TestScript.Write(_directory.Combine(name), lines);
}
