using System.CommandLine;

namespace OmniPg.Cli;

/// <summary>The commands below <c>omnipg schema</c>.</summary>
internal static class SchemaCommands
{
    public static Command Create(CliHost host)
    {
        var command = new Command("schema", "Schema trees: compare, build up again, verify, draw\nExample: omnipg schema diff schema \"Host=db;Database=shop\"");
        command.Subcommands.Add(SchemaDiffCommand.Create(host));
        command.Subcommands.Add(SchemaReplayCommand.Create(host));
        command.Subcommands.Add(SchemaVerifyCommand.Create(host));
        command.Subcommands.Add(SchemaGraphCommand.Create(host));
        return command;
    }
}
