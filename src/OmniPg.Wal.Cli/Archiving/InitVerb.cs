using System.Globalization;

namespace OmniPg.Wal.Cli;

/// <summary>Begins an archive: says once, by hand, what archive_command never assumes.</summary>
internal sealed class InitVerb : Verb
{
    // Two folders down nothing is taken for a file of the old archive (WalObjectKey.Depth).
    private const string Generations = "generations";

    private static readonly Option Next = Option.Flag("--next", "after pg_upgrade: begin the archive of the new cluster beside that of the old one, which stays as it is");

    public override string Name => "init";

    public override string Summary => "begin an archive: write the marker that ties it to a cluster";

    public override string Example => "omnipg-wal init --data-dir /var/lib/postgresql/15/main --archive /mnt/archive";

    public override IReadOnlyList<Option> Options { get; } = [CommonOptions.DataDirectory, .. StoreOptions.OfArchive, ArchiveOptions.Layout, Next];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var options = new WalArchiveOptions { DataDirectory = arguments.Get(CommonOptions.DataDirectory) ?? "." };
        var path = StoreOptions.ArchivePlace(arguments);
        if (arguments.Has(Next))
            path = await PlaceOfNextAsync(path, options.DataDirectory, arguments, context, cancellationToken);
        var destination = StoreOptions.IsRemote(path)
            ? new WalDestinationOptions(StoreOptions.Open(path, arguments, context.Logs))
            : new WalDestinationOptions { Directory = path };
        (destination.Name, destination.Layout) = (path, ArchiveOptions.LayoutOf(arguments));
        options.Destinations = [destination];
        await using var archiver = new WalArchiver(options, context.Logs, context.Time);
        var marker = (await archiver.BeginAsync(cancellationToken))[0];
        context.Report(string.Create(
            CultureInfo.InvariantCulture,
            $"archive '{OneLine.Of(path)}': cluster {marker.SystemIdentifier}, PostgreSQL {marker.PgVersion}, segments of {marker.WalSegmentSize} bytes, begun {ListingJson.Text(marker.Created)}"));
        return ExitCodes.Done;
    }

    /// <summary>The place beside an old archive where that of the cluster which was made out of its own begins.</summary>
    private static async Task<string> PlaceOfNextAsync(string old, string dataDirectory, Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        var cluster = await PgControlFile.ReadAsync(dataDirectory, context.Time, cancellationToken);
        var store = StoreOptions.Open(old, arguments, context.Logs);
        // What proves that the storage is there, too.
        var marker = await WalArchiveMarker.ReadAsync(store, cancellationToken)
            ?? throw new WalArchiveMismatchException(store.Id, $"'{store.Id}' holds no archive beside which a next one could begin.", "Mount the storage, or name the archive of the old cluster.");
        if (marker.SystemIdentifier == cluster.SystemIdentifier)
            throw new WalArchiveMismatchException(store.Id, $"The archive '{store.Id}' is that of this cluster, '{cluster.SystemIdentifier}', already.", "Name the data directory that pg_upgrade made, or go on with this archive.");
        if (marker.PgVersion > cluster.PgMajor)
            throw new WalArchiveMismatchException(store.Id, $"The archive '{store.Id}' is one of PostgreSQL '{marker.PgVersion}', and this cluster is one of '{cluster.PgMajor}': it was not made out of that.", "Give it an archive of its own.");
        var next = string.Create(CultureInfo.InvariantCulture, $"{old.TrimEnd('/')}/{Generations}/{cluster.PgMajor ?? 0}-{cluster.SystemIdentifier}");
        if (!StoreOptions.IsRemote(next))
            DurableFile.CreateDirectory(next);
        context.Report($"archive '{OneLine.Of(old)}': cluster {marker.SystemIdentifier}, PostgreSQL {marker.PgVersion}, stays as it is");
        return next;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);
}
