using System.Globalization;

namespace OmniPg.Wal.Cli;

/// <summary>Begins an archive: says once, by hand, what archive_command never assumes.</summary>
internal sealed class InitVerb : Verb
{
    public override string Name => "init";

    public override string Summary => "begin an archive: write the marker that ties it to a cluster";

    public override string Example => "omnipg-wal init --data-dir /var/lib/postgresql/15/main --archive /mnt/archive";

    public override IReadOnlyList<Option> Options { get; } = [CommonOptions.DataDirectory, .. StoreOptions.OfArchive, ArchiveOptions.Layout];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var options = new WalArchiveOptions { DataDirectory = arguments.Get(CommonOptions.DataDirectory) ?? "." };
        var path = StoreOptions.ArchivePlace(arguments);
        var destination = StoreOptions.IsRemote(path)
            ? new WalDestinationOptions(StoreOptions.Open(path, arguments, context.Logs))
            : new WalDestinationOptions { Directory = path };
        (destination.Name, destination.Layout) = (path, ArchiveOptions.LayoutOf(arguments));
        options.Destinations = [destination];
        await using var archiver = new WalArchiver(options, context.Logs, context.Time);
        var marker = (await archiver.BeginAsync(cancellationToken))[0];
        await context.Output.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"archive '{OneLine.Of(path)}': cluster {marker.SystemIdentifier}, PostgreSQL {marker.PgVersion}, segments of {marker.WalSegmentSize} bytes, begun {ListingJson.Text(marker.Created)}"));
        return ExitCodes.Done;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);
}
