namespace OmniPg.Wal;

/// <summary>
/// The stages of one copy and the arrows between them:
/// <code>
/// source ─┬─ inspector (hash, validator)
///         ├─ target, target …            (stored as they are)
///         └─ encoder ─┬─ target, target … (one encoder per distinct codec and level)
///                     └─ …
/// </code>
/// A target waits on its own; buffers under way are bounded by the pools, so the slowest stage sets the pace of the source.
/// </summary>
internal sealed class CopyPipeline
{
    private readonly CopyRequest _request;
    private readonly BufferPools _pools;
    private readonly FanOut _afterSource;
    private readonly List<EncoderBranch> _branches = [];
    private Task _encoding = Task.CompletedTask;

    public CopyPipeline(CopyRequest request, BufferPools pools, TimeProvider time, CancellationToken cancellationToken)
    {
        _request = request;
        _pools = pools;
        var isAnyPlain = request.Targets.Any(static t => t.Codec == Codec.None);
        Inspector = new ContentInspector(pools.Source.Capacity, request.Validator, request.NeedsHashes, request.NeedsSha256 || (request.NeedsHashes && isAnyPlain));
        Targets = [.. request.Targets.Select(t => new TargetWriter(t, BufferPools.Largest, time, cancellationToken))];
        List<BufferQueue> queues = [Inspector.Queue];
        foreach (var group in Targets.GroupBy(t => (t.Target.Codec, Level: t.Target.Codec.CheckLevel(t.Target.Level))))
        {
            if (group.Key.Codec == Codec.None)
            {
                queues.AddRange(group.Select(t => t.Queue));
                continue;
            }

            // What is announced as longer than a file that passes memory as a whole, or not announced at all, as the tar files of a backup are.
            var isLong = request.Source.Length is null or > WalCopier.MostAtOnce;
            var branch = new EncoderBranch(group.Key.Codec, group.Key.Level, [.. group], pools.Source.Capacity, pools.ForBranch(_branches.Count), request.NeedsHashes, isLong);
            _branches.Add(branch);
            queues.Add(branch.Queue);
        }

        _afterSource = new FanOut(queues);
    }

    public ContentInspector Inspector { get; }

    public IReadOnlyList<TargetWriter> Targets { get; }

    /// <summary>Whether no encoder is at work. One that a copy left behind that failed still asks for the memory of its pool, where only one may wait.</summary>
    public bool HasEncoded => _encoding.IsCompleted;

    /// <summary>Runs every stage until all bytes are inspected and written.</summary>
    /// <exception cref="WalException">The source or its content is wrong. A failed target throws nothing here.</exception>
    public async Task<Inspection> RunAsync(CancellationToken cancellationToken)
    {
        var info = new ObjectInfo { Modified = _request.Source.Modified, RawBytes = _request.Source.Length };
        var inspection = Task.Run(Inspector.RunAsync, CancellationToken.None);
        _encoding = Task.WhenAll(_branches.Select(b => Task.Run(() => b.RunAsync(cancellationToken), CancellationToken.None)));
        foreach (var target in Targets)
            target.Start(info);
        try
        {
            await ReadSourceAsync(inspection, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _afterSource.Complete();
        }

        var inspected = await inspection.ConfigureAwait(false);
        foreach (var target in Targets.Where(static t => t.Target.Codec == Codec.None))
            target.StoredSha256 = inspected.Sha256;
        await _encoding.WaitAsync(cancellationToken).ConfigureAwait(false);
        await Task.WhenAll(Targets.Select(t => t.Written)).WaitAsync(cancellationToken).ConfigureAwait(false);
        return inspected;
    }

    private async Task ReadSourceAsync(Task inspection, CancellationToken cancellationToken)
    {
        long position = 0;
        while (!inspection.IsFaulted)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var buffer = await _pools.Source.RentAsync().ConfigureAwait(false) ?? throw new OperationCanceledException(cancellationToken);
            buffer.Length = await FillAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (_request.Source.HeldBack is var heldBack && heldBack > TimeSpan.Zero)
                foreach (var target in Targets)
                    target.Allow(heldBack);
            if (buffer.Length == 0)
            {
                _pools.Source.Return(buffer);
                return;
            }

            position += buffer.Length;
            _afterSource.Publish(buffer);
            _request.OnRead?.Invoke(position);
        }
    }

    private async ValueTask<int> FillAsync(CopyBuffer buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await _request.Source.ReadAsync(buffer.Free, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            _pools.Source.Return(buffer);
            throw;
        }
    }
}
