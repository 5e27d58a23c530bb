namespace OmniPg.Jobmon;

/// <summary><c>jobmon.permission</c>: the role of the own connections lacks a privilege. <see cref="Grant"/> is the statement that gives it.</summary>
public sealed class JobmonPermissionException : JobmonException
{
    internal JobmonPermissionException(string role, string privilege, string objectName, string grant, Exception? innerException = null,
        bool functionsFailed = false)
        : base(
            "jobmon.permission",
            $"Role '{role}' lacks {privilege} on '{objectName}'{(functionsFailed ? $", and through the functions of the extension it cannot write either: {(innerException as Npgsql.PostgresException)?.MessageText}" : "")}.",
            $"Run as owner: {grant}", innerException)
    {
        Role = role;
        Privilege = privilege;
        ObjectName = objectName;
        Grant = grant;
    }

    /// <summary>Role that was refused.</summary>
    public string Role { get; }

    /// <summary>Privilege that is missing, for example <c>INSERT, UPDATE</c>.</summary>
    public string Privilege { get; }

    /// <summary>Object it is missing on.</summary>
    public string ObjectName { get; }

    /// <summary>Statement to run as the owner.</summary>
    public string Grant { get; }
}
