namespace OmniPg.Testing;

/// <summary>Server programs of one major version on this machine.</summary>
/// <param name="Major">Major version, such as 15.</param>
/// <param name="BinDirectory">Directory that holds at least <c>initdb</c> and <c>postgres</c>.</param>
public sealed record PgInstallation(int Major, string BinDirectory)
{
    /// <summary>Full path of a program in this installation.</summary>
    /// <param name="name">Program name without extension, such as <c>pg_waldump</c>.</param>
    /// <returns>The path, whether the program exists or not.</returns>
    public string Program(string name) => Path.Combine(BinDirectory, OperatingSystem.IsWindows() ? name + ".exe" : name);

    /// <summary>Whether this installation has a program.</summary>
    /// <param name="name">Program name without extension.</param>
    /// <returns>Whether the file exists.</returns>
    public bool Has(string name) => File.Exists(Program(name));
}
