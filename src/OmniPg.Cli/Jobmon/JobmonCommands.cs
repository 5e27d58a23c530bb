using System.CommandLine;
using OmniPg.Jobmon;

namespace OmniPg.Cli;

/// <summary>The commands below <c>omnipg jobmon</c>.</summary>
internal static class JobmonCommands
{
    public static readonly Option<string?> Schema = new("--schema")
    {
        Description = "Schema of the job log. Default: the extension's, else jobmon", HelpName = "S", Recursive = true,
    };

    public static Command Create(CliHost host)
    {
        var command = new Command("jobmon", "The job log: what ran, what failed, what is missing\nExample: omnipg jobmon show --running");
        command.Options.Add(Schema);
        command.Subcommands.Add(InstallCommand.Create(host));
        command.Subcommands.Add(CheckCommand.Create(host));
        command.Subcommands.Add(ShowCommand.Create(host));
        command.Subcommands.Add(DetailCommand.Create(host));
        command.Subcommands.Add(RunCommand.Create(host));
        command.Subcommands.Add(ExecCommand.Create(host));
        command.Subcommands.Add(RuleCommand.Create(host));
        command.Subcommands.Add(CancelCommand.Create(host));
        command.Subcommands.Add(PurgeCommand.Create(host));
        command.Subcommands.Add(ReapCommand.Create(host));
        command.Subcommands.Add(TopCommand.Create(host));
        return command;
    }

    /// <summary>A client for the server and schema of this command line.</summary>
    public static JobmonClient Client(CliSession session, ErrorPolicy policy = ErrorPolicy.Throw) =>
        JobmonClient.Create(session.DataSource, new JobmonOptions { Schema = session.Get(Schema), ErrorPolicy = policy });
}
