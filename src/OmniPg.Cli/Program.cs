using OmniPg.Shared;

namespace OmniPg.Cli;

internal static class Program
{
    public static async Task<int> Main(string[] words)
    {
        StandardDescriptors.HoldClosed();
        AppDomain.CurrentDomain.UnhandledException += (_, _) => Environment.Exit(ExitCodes.Failed);
        using var signals = new TerminationSignals();
        return await Shell.RunAsync(words, CliHost.Process(signals), signals.Token);
    }
}
