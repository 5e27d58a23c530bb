using System.CommandLine;
using System.Globalization;
using OmniPg.Extractor;

namespace OmniPg.Cli;

/// <summary><c>omnipg schema replay DIR --into CS</c>.</summary>
internal static class SchemaReplayCommand
{
    private static readonly Argument<string> Tree = new("DIR") { Description = "The tree; or the definitions of an archive or a connection" };
    private static readonly Option<string?> Into = new("--into") { Description = "The database to build; default: --connection", HelpName = "CS" };
    private static readonly Option<bool> SingleTransaction = new("--single-transaction") { Description = "All or nothing" };
    private static readonly Option<bool> CreateDatabase = new("--create-database") { Description = "Create the database first; --into names any other one of the server" };
    private static readonly Option<bool> NoOwner = new("--no-owner") { Description = "Leave owners out" };
    private static readonly Option<bool> NoAcl = new("--no-acl") { Description = "Leave grants out" };
    private static readonly Option<bool> SchemaOnly = new("--schema-only") { Description = "Leave rows out" };
    private static readonly Option<bool> AllowNonEmpty = new("--allow-non-empty") { Description = "The database may hold objects" };
    private static readonly Option<MissingRoles> Roles = new("--missing-roles") { Description = "Fail, Skip or Create" };
    private static readonly Option<string[]> Exclude = new("--exclude-kind") { Description = "Kinds to leave out, for example Subscriptions", HelpName = "K" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "replay", "Builds a database from a tree", "omnipg schema replay schema --into \"Host=db;Database=empty\" --single-transaction",
        RunAsync, [Tree, Into, SingleTransaction, CreateDatabase, NoOwner, NoAcl, SchemaOnly, AllowNonEmpty, Roles, Exclude, .. ExtractorSettings.All]);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var (source, extractor) = (session.Get(Tree), ExtractorSettings.Extractor(session));
        var target = SchemaSide.Target(session, session.Get(Into));
        var report = SchemaSide.IsArchiveOrConnection(source)
            ? await (await SchemaSide.Extraction(session, extractor, source).ToSnapshotAsync(cancellationToken: cancellationToken)).ReplayAsync(target, Options(session), cancellationToken)
            : await extractor.OpenTree(source).ReplayAsync(target, Options(session), cancellationToken);
        foreach (var warning in report.Warnings.Concat(report.Skipped.Select(static s => "left out: " + s)))
            session.Error.WriteLine("warning: " + warning.ReplaceLineEndings(" "));
        if (session.Json)
            session.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteNumber("entries", report.Entries);
                json.WriteNumber("statements", report.Statements);
                json.WriteNumber("skipped", report.Skipped.Count);
                json.WriteEndObject();
            });
        else
            session.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Replayed {report.Entries} entries, {report.Statements} statements"));
        return report.Skipped.Count == 0 ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static ReplayOptions Options(CliSession session)
    {
        return new ReplayOptions
        {
            SingleTransaction = session.Get(SingleTransaction),
            CreateDatabase = session.Get(CreateDatabase),
            NoOwner = session.Get(NoOwner),
            NoPrivileges = session.Get(NoAcl),
            SchemaOnly = session.Get(SchemaOnly),
            AllowNonEmpty = session.Get(AllowNonEmpty),
            Roles = session.Get(Roles),
            Kinds = ExtractorSettings.Without(new ReplayOptions().Kinds, session.Get(Exclude)),
        };
    }
}
