/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module above another one: it uses a symbol of it, and can be held by its own device node. The
 * kernel knows the modules by their files' names, so each is a file that includes this.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

extern int BELOW;
#ifdef ABOVE
int ABOVE;
EXPORT_SYMBOL_GPL(ABOVE);
#endif

static const struct file_operations fops = { .owner = THIS_MODULE };
static struct miscdevice node = { .minor = MISC_DYNAMIC_MINOR,
                                  .name = "held-" KBUILD_MODNAME,
                                  .fops = &fops };

static int __init stand_in_init(void) {
        return READ_ONCE(BELOW) ? -EINVAL : misc_register(&node);
}

static void __exit stand_in_exit(void) {
        misc_deregister(&node);
}

module_init(stand_in_init);
module_exit(stand_in_exit);

MODULE_DESCRIPTION("Stands in for a module of a real driver, for tests");
MODULE_LICENSE("GPL");
