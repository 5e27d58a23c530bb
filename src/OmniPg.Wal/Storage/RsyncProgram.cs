namespace OmniPg.Wal;

/// <summary>Calls of rsync. <c>-s</c> keeps blanks and quotes of remote paths out of the remote shell's hands.</summary>
internal sealed class RsyncProgram(string program)
{
    private bool? _canFlush;

    /// <summary>Sends a file unless one of that name is there.</summary>
    public async Task SendAsync(string file, string target, CancellationToken cancellationToken)
    {
        List<string> arguments = ["-t", "-s", "--ignore-existing"];
        if (await CanFlushAsync(cancellationToken).ConfigureAwait(false))
            arguments.Add("--fsync");
        await RunAsync([.. arguments, "--", file, target], cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Compares by content what is there with what was sent.</summary>
    public async Task<bool> IsEqualAsync(string file, string target, CancellationToken cancellationToken) =>
        (await RunAsync(["-s", "--checksum", "--dry-run", "--itemize-changes", "--", file, target], cancellationToken).ConfigureAwait(false)).Length == 0;

    // rsync before 3.2.4 cannot flush what it has received.
    private async Task<bool> CanFlushAsync(CancellationToken cancellationToken) =>
        _canFlush ??= (await RunAsync(["--help"], cancellationToken).ConfigureAwait(false)).Contains("--fsync", StringComparison.Ordinal);

    private Task<string> RunAsync(string[] arguments, CancellationToken cancellationToken) =>
        ExternalProcess.RunAsync(new ExternalProcessOptions { FileName = program, Arguments = arguments }, cancellationToken);
}
