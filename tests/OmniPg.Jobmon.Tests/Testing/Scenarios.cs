namespace OmniPg.Jobmon.Tests.Testing;

/// <summary>All plays.</summary>
internal static class Scenarios
{
    public static IReadOnlyList<Scenario> All { get; } =
    [
        .. StepScenarios.All, .. EndScenarios.All, .. FailureScenarios.All, .. RunScenarios.All, .. ValueScenarios.All, .. SqlScenarios.All,
        .. MisuseScenarios.All,
    ];
}
