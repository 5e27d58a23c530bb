using OmniPg.Wal.Copying;

namespace OmniPg.Wal.Archiving;

/// <summary>What all calls of one archiver share.</summary>
internal sealed class ArchiveSetup
{
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
    }

    public WalArchiveOptions Options { get; }

    public ArchiveLog Log { get; }

    public TimeProvider Time { get; }

    public IProgress<WalProgress>? Progress { get; }

    public IReadOnlyList<ArchiveDestination> Destinations { get; }

    public WalCopier Copier { get; }

    public ChainStates Chain { get; } = new();

    /// <summary>The cluster's identity; null when the check of the data directory is off and there is no control file.</summary>
    public PgControlFile? ReadControlFile()
    {
        // At every call, not once: a resident process outlives the cluster when somebody restores or upgrades it in place.
        if (Options.RequireDataDirectory && !File.Exists(Path.Combine(Options.DataDirectory, "PG_VERSION")))
            throw new WalConfigurationException(
                $"'{Options.DataDirectory}' is no PostgreSQL data directory: it holds no 'PG_VERSION'.", "Give the cluster's data directory, or switch the check off.");
        var hasControlFile = Options.RequireDataDirectory || File.Exists(Path.Combine(Options.DataDirectory, PgControlFile.RelativePath));
        return hasControlFile ? PgControlFile.Read(Options.DataDirectory, Time) : null;
    }

    public static void RequireSegmentSize(PgControlFile? cluster, WalFileName file, long bytes)
    {
        if (cluster is not null && file.Kind == WalFileKind.Segment && bytes != cluster.SegmentSize)
            throw new WalValidationException(
                WalValidationProblem.WrongSize, $"the file has '{bytes}' bytes, a segment of this cluster has '{cluster.SegmentSize}'", file.ToString(), bytes);
    }

    public WalSegmentValidator? ValidatorFor(PgControlFile? cluster, WalFileName file)
    {
        if (Options.Validation == WalValidation.None)
        {
            Log.NotValidated(file.ToString());
            return null;
        }

        var expectations = cluster?.ToExpectations() ?? WalExpectations.Any;
        if (cluster is not null)
            expectations = expectations with { Previous = Chain.Before(file, cluster.SegmentSize) };
        return new WalSegmentValidator(file, Options.Validation, expectations);
    }
}
