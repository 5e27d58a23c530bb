namespace OmniPg.Wal;

/// <summary>What all calls of one archiver share.</summary>
internal sealed class ArchiveSetup
{
    private bool _saidUnknownVersion;

    public ArchiveSetup(WalArchiveOptions options, ArchiveLog log, TimeProvider time, IProgress<WalProgress>? progress)
    {
        (Options, Log, Time, Progress) = (options, log, time, progress);
        string[] failures = [.. WalArchiveOptionsValidator.Failures(options)];
        if (failures.Length > 0)
            throw new WalConfigurationException(string.Join(' ', failures));
        Destinations = [.. options.Destinations.Select(d => new ArchiveDestination(d, options)).DistinctBy(static d => d.StateId)];
        foreach (var codec in Destinations.Select(static d => d.Codec).Distinct())
            if (!codec.IsAvailable(out _))
                codec.Compress(Stream.Null).Dispose();
        Copier = new WalCopier(time);
        ChainFile = new ChainFile(options.StateDirectory);
    }

    public WalArchiveOptions Options { get; }

    public ArchiveLog Log { get; }

    public TimeProvider Time { get; }

    public IProgress<WalProgress>? Progress { get; }

    public IReadOnlyList<ArchiveDestination> Destinations { get; }

    public WalCopier Copier { get; }

    public ChainStates Chain { get; } = new();

    public ChainFile ChainFile { get; }

    /// <summary>Whether files are looked for that a run before may have archived: then finding them there is nothing to warn of.</summary>
    public bool IsLookingAhead { get; set; }

    /// <summary>Says once that files of a newer server are stored without being understood.</summary>
    public void WarnOfVersion(PgControlFile? cluster, WalFileName file, WalSegmentSummary? summary)
    {
        var isUnknown = cluster is { IsKnownVersion: false } || summary is { IsUnknownVersion: true };
        if (isUnknown && !Interlocked.Exchange(ref _saidUnknownVersion, true))
            Log.UnknownVersion(file.ToString());
    }

    /// <summary>The cluster's identity; null when the check of the data directory is off and there is no control file.</summary>
    public PgControlFile? ReadControlFile()
    {
        // At every call, not once: a resident process outlives the cluster when somebody restores or upgrades it in place.
        if (Options.RequireDataDirectory && !File.Exists(Path.Combine(Options.DataDirectory, "PG_VERSION")))
            throw new WalConfigurationException(
                $"'{Options.DataDirectory}' is no PostgreSQL data directory: it holds no 'PG_VERSION'.", "Give the cluster's data directory, or switch the check off.");
        var hasControlFile = Options.RequireDataDirectory || File.Exists(Path.Combine(Options.DataDirectory, PgControlFile.RelativePath));
        return !hasControlFile ? null
            : Options.AllowUnknownVersion ? PgControlFile.ReadNewer(Options.DataDirectory, Time)
            : PgControlFile.Read(Options.DataDirectory, Time);
    }

    public static void RequireSegmentSize(PgControlFile? cluster, WalFileName file, long bytes)
    {
        if (cluster is not null && file.Kind == WalFileKind.Segment && bytes != cluster.SegmentSize)
            throw new WalValidationException(
                WalValidationProblem.WrongSize, $"the file has '{bytes}' bytes, a segment of this cluster has '{cluster.SegmentSize}'", file.ToString(), bytes);
    }

    public WalSegmentValidator? ValidatorFor(PgControlFile? cluster, WalFileName file, string path)
    {
        if (Options.Validation == WalValidation.None)
        {
            Log.NotValidated(file.ToString());
            return null;
        }

        var expectations = cluster?.ToExpectations() ?? WalExpectations.Any;
        if (Options.AllowUnknownVersion)
            expectations = expectations.WithUnknownVersions();
        if (cluster is not null && file.Kind == WalFileKind.Segment && Options.Validation == WalValidation.Full)
            expectations = expectations with { Previous = StateBefore(cluster, file, path) };
        return new WalSegmentValidator(file, Options.Validation, expectations);
    }

    /// <summary>How the segment before ended: as this process saw it, as the segment beside it says, as the process before left it behind.</summary>
    private WalChainState? StateBefore(PgControlFile cluster, WalFileName file, string path)
    {
        if (!file.Fits(WalSegmentSize.FromBytes(cluster.SegmentSize)))
            return null;
        return Chain.Before(file, cluster.SegmentSize) ?? NeighbourState.Find(path, file) ?? ReadChainFile(cluster, file) ?? NeighbourState.FindByReading(path, file);
    }

    private WalChainState? ReadChainFile(PgControlFile cluster, WalFileName file)
    {
        var state = ChainFile.Read((ulong)file.StartLsn(WalSegmentSize.FromBytes(cluster.SegmentSize)), cluster.SystemIdentifier, out var wasDamaged);
        if (wasDamaged)
            Log.StateDiscarded(ChainFile.FileName);
        return state;
    }
}
