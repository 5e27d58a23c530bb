namespace OmniPg.Wal;

/// <summary>Sends objects with rsync to a directory here or on another host (<c>[user@]host:/path</c>, <c>rsync://host/module</c>).</summary>
/// <remarks>rsync needs a file to send, so the object is gathered in a private file first. An object that is there already is never replaced.</remarks>
internal sealed class RsyncObjectSink(string target, string program, string? temporaryDirectory) : IObjectSink
{
    private readonly Rsync _rsync = new(program);

    public string Id => $"rsync:{target}";

    public ValueTask<IObjectWriter> CreateAsync(string key, ObjectInfo info, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var spool = DurableFile.TemporaryNameFor(Path.Combine(temporaryDirectory ?? Path.GetTempPath(), key));
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var file = new FileStream(spool, options);
        return new ValueTask<IObjectWriter>(new Writer(_rsync, file, $"{target.TrimEnd('/')}/{key}", Id, info.Modified));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Gathers one object in a private file, sends it and compares what arrived.</summary>
    private sealed class Writer(Rsync rsync, FileStream spool, string target, string sinkId, DateTimeOffset? modified) : IObjectWriter
    {
        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
        {
            cancellationToken.ThrowIfCancellationRequested();
            spool.Write(bytes.Span);
            return ValueTask.CompletedTask;
        }

        public async Task<ObjectCommitResult> CommitAsync(ObjectContent content, CancellationToken cancellationToken = default)
        {
            await spool.DisposeAsync().ConfigureAwait(false);
            if (modified is { } time)
                File.SetLastWriteTimeUtc(spool.Name, time.UtcDateTime);
            // --ignore-existing ends with 0 too when a file of that name was there and nothing was sent, so only the comparison can say "stored".
            await rsync.SendAsync(spool.Name, target, cancellationToken).ConfigureAwait(false);
            return await rsync.IsEqualAsync(spool.Name, target, cancellationToken).ConfigureAwait(false)
                ? ObjectCommitResult.Created
                : throw new WalConflictException(Path.GetFileName(target), sinkId, content.StoredSha256, "unknown");
        }

        public async ValueTask DisposeAsync()
        {
            await spool.DisposeAsync().ConfigureAwait(false);
            File.Delete(spool.Name);
        }
    }

    /// <summary>Calls of rsync. <c>-s</c> keeps blanks and quotes of remote paths out of the remote shell's hands.</summary>
    private sealed class Rsync(string program)
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
}
