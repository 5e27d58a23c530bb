using System.CommandLine;
using OmniPg.Partman;

namespace OmniPg.Cli;

/// <summary>The commands below <c>omnipg partman</c>, and what they share.</summary>
internal static class PartmanCommands
{
    public static readonly Option<bool> Plan = new("--plan") { Description = "Print the SQL that would run, and change nothing" };

    private static readonly Option<string?> OwnSchema = new("--schema") { Description = "Schema of the own tables. Default omnipg_partman", HelpName = "S", Recursive = true };

    private static readonly Option<PartmanStore> Store = new("--store")
    {
        Description = "Where the configuration is kept: in the tables of the extension pg_partman, or in own ones. Default auto", HelpName = "auto|extension|own", Recursive = true,
    };

    public static Command Create(CliHost host)
    {
        var command = new Command("partman", "Partition sets: created ahead of need, retired on time\nExample: omnipg partman maintain --plan");
        command.Options.Add(OwnSchema);
        command.Options.Add(Store);
        foreach (var option in ArchivePlace.All)
            command.Options.Add(option);
        CliCommand.CompleteNames(Store.CompletionSources, Store.ValueType);
        command.Subcommands.Add(CreateSetCommand.Create(host));
        command.Subcommands.Add(SubPartitionCommand.Create(host));
        command.Subcommands.Add(AdoptCommand.Create(host));
        command.Subcommands.Add(ApplyCommand.Create(host));
        command.Subcommands.Add(MaintainCommand.Create(host));
        command.Subcommands.Add(PartitionCommands.CreateList(host));
        command.Subcommands.Add(PartitionCommands.CreateSets(host));
        command.Subcommands.Add(PartitionCommands.CreateLocate(host));
        command.Subcommands.Add(PartitionCommands.CreateFillGaps(host));
        command.Subcommands.Add(PartitionCommands.CreateDrain(host));
        foreach (var one in TendCommands.Create(host))
            command.Subcommands.Add(one);
        command.Subcommands.Add(InspectionCommands.CreateExport(host));
        command.Subcommands.Add(InspectionCommands.CreateDuplicates(host));
        command.Subcommands.Add(RepartitionCommand.Create(host));
        command.Subcommands.Add(FreezeCommand.Create(host));
        command.Subcommands.Add(TierCommand.Create(host));
        command.Subcommands.Add(ConstraintsCommand.Create(host));
        command.Subcommands.Add(UndoCommand.Create(host));
        command.Subcommands.Add(PartitionCommands.CreateForget(host));
        command.Subcommands.Add(RestorePartitionCommand.Create(host));
        command.Subcommands.Add(CheckSetsCommand.Create(host));
        command.Subcommands.Add(ConvertCommand.Create(host));
        foreach (var one in ConversionCommands.Create(host))
            command.Subcommands.Add(one);
        return command;
    }

    /// <summary>The table of a command, as a new symbol for each.</summary>
    public static Argument<string> Table() => new("TABLE") { Description = "The partitioned table; without a schema it is in public" };

    /// <summary>Prints a plan as a script.</summary>
    public static int Show(CliSession session, SqlPlan plan)
    {
        if (session.Json)
            throw new UsageException("--plan prints SQL, so --json does not go with it.");
        session.Out.Write(plan.ToSqlScript());
        return ExitCodes.Done;
    }

    /// <param name="session">The command.</param>
    /// <param name="archive">Directory or bucket of the archive; null for that of the option.</param>
    public static PartmanClient Open(CliSession session, string? archive = null)
    {
        var options = new PartmanOptions { Store = session.Get(Store) };
        options.Schema = CliSession.NotEmpty(session.Get(OwnSchema), OwnSchema.Name) ?? options.Schema;
        return new PartmanClient(session.DataSource, options, archive: ArchivePlace.Open(session, archive));
    }

    public static QualifiedName NameOf(string text)
    {
        var name = QualifiedName.Parse(text);
        return name.Schema is null ? new QualifiedName(PgIdentifier.Create("public"), name.Name) : name;
    }
}
