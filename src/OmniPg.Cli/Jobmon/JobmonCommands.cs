using System.CommandLine;

namespace OmniPg.Cli;

/// <summary>The commands below <c>omnipg jobmon</c>.</summary>
internal static class JobmonCommands
{
    public static Command Create(CliHost host)
    {
        var command = new Command("jobmon", "The job log: what ran, what failed, what is missing\nExample: omnipg jobmon show --running");
        command.Options.Add(JobLog.Schema);
        command.Options.Add(JobLog.SideSchema);
        command.Options.Add(JobLog.Liveness);
        CliCommand.CompleteNames(JobLog.Liveness.CompletionSources, JobLog.Liveness.ValueType);
        command.Subcommands.Add(InstallCommand.Create(host));
        command.Subcommands.Add(CheckCommand.Create(host));
        command.Subcommands.Add(ShowCommand.Create(host));
        command.Subcommands.Add(DetailCommand.Create(host));
        command.Subcommands.Add(RunCommand.Create(host));
        command.Subcommands.Add(ExecCommand.Create(host));
        command.Subcommands.Add(RuleCommand.Create(host));
        command.Subcommands.Add(RulesCommand.Create(host));
        command.Subcommands.Add(AckCommand.Create(host));
        command.Subcommands.Add(MuteCommand.Create(host));
        command.Subcommands.Add(MuteCommand.CreateUnmute(host));
        command.Subcommands.Add(LintCommand.Create(host));
        command.Subcommands.Add(CancelCommand.Create(host));
        command.Subcommands.Add(PurgeCommand.Create(host));
        command.Subcommands.Add(ReapCommand.Create(host));
        command.Subcommands.Add(TopCommand.Create(host));
        return command;
    }
}
