using System.CommandLine;

namespace OmniPg.Cli;

internal static class RestorePartitionCommand
{
    private static readonly Argument<string> Manifest = new("MANIFEST") { Description = "The archive: the file PLACE/SCHEMA.TABLE.manifest.json of a directory or a bucket (s3://BUCKET/PREFIX), with the rows beside it" };

    private static readonly Option<string?> AttachTo = new("--attach-to") { Description = "The set. Default: the one that the partition came from", HelpName = "TABLE" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "restore", "Brings an archived partition back and attaches it", "omnipg partman restore /mnt/archive/app.events_p20260131.manifest.json", RunAsync, Manifest, AttachTo);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var (place, manifest) = ArchivePlace.Split(session.NotEmpty(Manifest));
        var set = CliSession.NotEmpty(session.Get(AttachTo), AttachTo.Name) is { } table ? PartmanCommands.NameOf(table) : (QualifiedName?)null;
        var result = await PartmanCommands.Open(session, place).RestoreAsync(manifest, set, cancellationToken);
        session.WriteResult($"'{result.Partition}' is back with {JobText.Counted(result.Rows, "row")}, from {result.Lower} up to {result.Upper}", json =>
        {
            json.WriteString("partition", result.Partition.ToString());
            json.WriteString("lower", result.Lower.ToString());
            json.WriteString("upper", result.Upper.ToString());
            json.WriteNumber("rows", result.Rows);
        });
        return ExitCodes.Done;
    }
}
